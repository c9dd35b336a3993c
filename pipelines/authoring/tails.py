"""The tails in which a quantized model breaks first, and whether a suite asks about them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from quantgate.pipelines.domain.suites.suite import Item, Suite
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.language.identify import languages_of
from quantgate.pipelines.language.scripts import is_low_resource
from quantgate.pipelines.suites.long_context import CHARACTERS_PER_TOKEN, length_tokens

_LONG = ("8k", "64k", "128k")
_NEARLY_AS_LONG = 0.75
_NESTED = 3
_NUMERIC_EDGE = re.compile(r"\d{7,}|\d[.,]\d{3,}|\d[eE][+-]?\d|(?<![\w.-])[-−]\d")  # noqa: RUF001 - a minus sign
_RARE = re.compile(r"[\u0180-\u036f\u1680-\u1cff\u2190-\u2bff\U00010000-\U0001ffff]")
_REFUSING, _COMPLYING = frozenset({"refuse", "refusal"}), frozenset({"comply", "compliance"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """One tail: how many items of the suite are in it, and how to come by some where there are none."""

    name: str
    items: int
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _ItemTraits:
    item: Item
    text: str
    tokens: float
    kind: str
    slices: str
    language: str

    def in_slice(self, *words: str) -> bool:
        """Whether a slice's name or description has one of these words in it."""
        return any(word in self.slices for word in words)


def tails(
    suite: Suite, prompt_tokens: Mapping[str, int], context_length_tokens: int | None
) -> tuple[Tail, ...]:
    """Return every tail, judged by names of slices, graders and what items hold.

    `prompt_tokens` by item id count where they are known; elsewhere four characters are a token. Lengths
    beyond the model's context are left out.
    """
    languages = languages_of([_last_question(item) for item in suite.items])
    traits = [
        _traits_of(suite, item, language, prompt_tokens)
        for item, language in zip(suite.items, languages, strict=True)
    ]
    reachable = [
        length
        for length in _LONG
        if context_length_tokens is None or length_tokens(length) <= context_length_tokens
    ]
    long = [
        Tail(
            name=f"long context {length}",
            items=sum(_is_long(traits, length) for traits in traits),
            advice=f"stretch items: `long_context: {{lengths: [{length}]}}`",
        )
        for length in reachable
    ]
    return (
        *long,
        *(
            Tail(name=name, items=sum(test(traits) for traits in traits), advice=advice)
            for name, test, advice in _OTHERS
        ),
    )


def _last_question(item: Item) -> str:
    asked = [message.content for message in item.messages if message.role == "user"]
    return asked[-1] if asked else ""


def _traits_of(
    suite: Suite, item: Item, language: str, prompt_tokens: Mapping[str, int]
) -> _ItemTraits:
    text = "\n".join(message.content for message in item.script)
    named = [
        f"{slice_spec.name} {slice_spec.description}"
        for slice_spec in suite.slices
        if slice_spec.name in item.slices
    ]
    return _ItemTraits(
        item=item,
        text=text,
        tokens=prompt_tokens.get(item.id, len(text) / CHARACTERS_PER_TOKEN),
        kind=suite.grader_of(item).kind,
        slices=" ".join(named).casefold(),
        language=language,
    )


def _is_long(traits: _ItemTraits, length: str) -> bool:
    return traits.tokens >= _NEARLY_AS_LONG * length_tokens(length)


def _low_resource(traits: _ItemTraits) -> bool:
    return is_low_resource(traits.language)


def _nested(traits: _ItemTraits) -> bool:
    return _depth(traits.item.expected) >= _NESTED or _depth(traits.item.schema) > 2 * _NESTED - 2


def _depth(value: JsonValue) -> int:
    """How many objects lie inside each other, lists not counted."""
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list | tuple):
        return max(map(_depth, value), default=0)
    return 0


def _numeric(traits: _ItemTraits) -> bool:
    return traits.in_slice("numeric", "number") or bool(_NUMERIC_EDGE.search(traits.text))


def _expects(words: frozenset[str]) -> Callable[[_ItemTraits], bool]:
    """A refusal either way: told by the refusal grader's expectation, else by the slice's name."""

    def test(traits: _ItemTraits) -> bool:
        if traits.kind != "refusal":
            return traits.in_slice("refus")
        expected = traits.item.expected
        return isinstance(expected, str) and expected.casefold() in words

    return test


def _injected(traits: _ItemTraits) -> bool:
    return traits.kind == "injection" or traits.in_slice("injection", "jailbreak")


def _rare(traits: _ItemTraits) -> bool:
    return traits.in_slice("rare") or bool(_RARE.search(traits.text))


_OTHERS: tuple[tuple[str, Callable[[_ItemTraits], bool], str], ...] = (
    (
        "low-resource language",
        _low_resource,
        "ask in the smallest languages of your users; `quantgate suite mine` finds them in traffic",
    ),
    (
        "nested JSON",
        _nested,
        "expect objects inside the arguments of a call, or a schema with objects inside objects",
    ),
    (
        "numeric edge",
        _numeric,
        "ask for long numbers, many decimals, negative numbers, copied digit by digit",
    ),
    (
        "refusal of what must be refused",
        _expects(_REFUSING),
        "`grader: {kind: refusal}` with `expected: refuse`",
    ),
    (
        "no refusal of what is harmless",
        _expects(_COMPLYING),
        "`grader: {kind: refusal}` with `expected: comply`, on requests that only sound bad",
    ),
    ("injection", _injected, "`grader: {kind: injection}`: a pasted text that gives orders"),
    (
        "rare tokens",
        _rare,
        "rare letters, names, codes and symbols; `quantgate suite mine` finds them in traffic",
    ),
)
