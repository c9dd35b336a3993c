"""Items stretched to given lengths with distractor text around the question.

Stretching is part of reading a suite, not of asking a model: the stretched texts are items like any other,
in the suite's digest, the same for every model. Lengths are counted with the tokenizer that the suite file
names; without one, by characters per token.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import DecodeSettings, Item, Message, SliceSpec
from quantgate.pipelines.domain.values import canonical_json
from quantgate.pipelines.language.identify import UNKNOWN, languages_of
from quantgate.pipelines.suites.filler import AnyFiller, BuiltInFiller, FileFiller, Filler
from quantgate.pipelines.suites.long_context import LongContextFile, length_tokens, long_slice

_TEMPLATE_TOKENS = 64
"""Left for what a chat template writes around the messages; an eighth of lengths below 512."""
_CUT_FROM_TOKENS = 64
"""Longer pieces of filler are cut to what is left; sentences are not."""
_PARAGRAPH = 6
_ROUNDING = 4

CountTokens = Callable[[str], float]
"""Counted by characters, a text has fractions of a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretched:
    """What `long_context:` adds: items, and one slice a length."""

    items: tuple[Item, ...]
    slices: tuple[SliceSpec, ...]


def clustered(items: Sequence[Item], chosen: Sequence[Item]) -> tuple[Item, ...]:
    """Return the items with a group for those that are stretched: one question has one cause."""
    ids = {item.id for item in chosen}
    return tuple(
        replace(item, group=item.group or item.id) if item.id in ids else item for item in items
    )


def chosen_items(file: LongContextFile, items: Sequence[Item]) -> tuple[Item, ...]:
    """Return the items that are to be stretched, in suite order; loops grow by themselves."""
    single = [item for item in items if item.loop is None]
    named = [item for item in single if not file.slices or set(file.slices) & set(item.slices)]
    if file.take is None or file.take >= len(named):
        return tuple(named)
    drawn = random.Random(file.seed).sample(range(len(named)), file.take)
    return tuple(named[index] for index in sorted(drawn))


def stretched(
    file: LongContextFile, chosen: Sequence[Item], folder: Path, decode: DecodeSettings
) -> Stretched:
    """Return new items `<id>+<length>@<depth>` in slices `long_<length>`, grouped with their originals.

    A context of the length holds all of it: messages, tools, the chat template's own tokens (64 at most
    are left for them) and the answer (`decode.max_tokens`, or the item's own).

    Raises:
        InputError: where the tokenizer or the distractors cannot be read, or an item is too long itself.
    """
    count = _counter(file, folder)
    filler: AnyFiller = (
        FileFiller(folder / file.distractors) if file.distractors else BuiltInFiller()
    )
    languages = _languages(chosen, filler)
    items = []
    for length in file.lengths:
        _refuse_too_long(length, chosen, count, decode, folder)
        for item, language in zip(chosen, languages, strict=True):
            for depth in file.depths:
                place = _StretchPlace(length=length, depth=depth, seed=file.seed)
                source = filler.of(language, place.seed_of(item))
                items.append(_stretch(item, place, count, source, decode))
    slices = tuple(
        SliceSpec(
            name=long_slice(length),
            description=f"items stretched with distractor text to {length_tokens(length):,} tokens",
        )
        for length in file.lengths
    )
    return Stretched(items=tuple(items), slices=slices)


@dataclass(frozen=True, slots=True, kw_only=True)
class _StretchPlace:
    length: str
    depth: float
    seed: int

    def of(self, item: Item) -> str:
        return f"{item.id}+{self.length}@{self.depth:g}"

    def seed_of(self, item: Item) -> str:
        return f"{self.seed}:{item.id}:{self.length}:{self.depth:g}"


def _languages(items: Sequence[Item], filler: AnyFiller) -> list[str]:
    """The languages that questions are asked in, for filler that heeds them."""
    if isinstance(filler, FileFiller):
        return [UNKNOWN] * len(items)
    return languages_of([item.messages[_asking(item)].content for item in items])


def _stretch(
    item: Item, place: _StretchPlace, count: CountTokens, source: Filler, decode: DecodeSettings
) -> Item:
    index = _asking(item)
    question = item.messages[index].content
    budget = _room(item, place.length, decode) - _own_tokens(item, count)
    pieces, sizes = _gathered(source, budget, count)
    text = _around(question, place.depth, pieces, sizes, source.join)
    messages = (
        *item.messages[:index],
        replace(item.messages[index], content=text),
        *item.messages[index + 1 :],
    )
    return replace(
        item,
        id=place.of(item),
        messages=messages,
        slices=(long_slice(place.length),),
        group=item.group or item.id,
    )


def _around(
    question: str, depth: float, pieces: Sequence[str], sizes: Sequence[float], join: str
) -> str:
    """Return the question at a depth among pieces of filler, which take so many tokens each."""
    before, used = 0, 0.0
    while before < len(pieces) and used < depth * sum(sizes) - 1e-9:
        used += sizes[before]
        before += 1
    parts = (_paragraphs(pieces[:before], join), question, _paragraphs(pieces[before:], join))
    return "\n\n".join(part for part in parts if part)


def _gathered(source: Filler, budget: float, count: CountTokens) -> tuple[list[str], list[float]]:
    """Pieces that take at most `budget` tokens together, and what each takes."""
    left, kept, sizes = budget - _ROUNDING, list[str](), list[float]()
    for piece in source.pieces:
        # A line break between paragraphs may be a token by itself.
        size = count(source.join + piece) + (len(kept) % _PARAGRAPH == 0)
        if size > left:
            if size > _CUT_FROM_TOKENS and left > 1:
                words = piece.split()
                kept.append(" ".join(words[: int(len(words) * (left - 1) / size)]))
                sizes.append(left)
            break
        kept.append(piece)
        sizes.append(size)
        left -= size
    return kept, sizes


def _paragraphs(pieces: Sequence[str], join: str) -> str:
    return "\n".join(
        join.join(pieces[start : start + _PARAGRAPH]) for start in range(0, len(pieces), _PARAGRAPH)
    )


def _asking(item: Item) -> int:
    """Return which message is stretched: the user's last one.

    Raises:
        InputError: where no user asks anything.
    """
    asking = [index for index, message in enumerate(item.messages) if message.role == "user"]
    if not asking:
        raise InputError(
            f"item '{item.id}' has no user message to stretch",
            where="long_context",
            next_step="give the item a message of the role user, or take it out of long_context",
        )
    return asking[-1]


def _own_tokens(item: Item, count: CountTokens) -> float:
    texts = [_message_text(message) for message in item.messages]
    return sum(count(text) for text in (*texts, *map(canonical_json, item.tools)))


def _message_text(message: Message) -> str:
    return "\n".join([message.content, *map(canonical_json, message.tool_calls)])


def _room(item: Item, length: str, decode: DecodeSettings) -> int:
    tokens = length_tokens(length)
    return tokens - min(_TEMPLATE_TOKENS, tokens // 8) - (item.decode or decode).max_tokens


def _refuse_too_long(
    length: str, items: Sequence[Item], count: CountTokens, decode: DecodeSettings, folder: Path
) -> None:
    too_long = [
        f"'{item.id}' ({_own_tokens(item, count):.0f} tokens)"
        for item in items
        if _own_tokens(item, count) > _room(item, length, decode)
    ]
    if too_long:
        raise InputError(
            f"long_context: {len(too_long)} items fill {length} by themselves, with the answer's "
            f"tokens: {', '.join(too_long[:5])}",
            where=str(folder),
            next_step="name slices of shorter items in long_context.slices, or a greater length",
        )


def _counter(file: LongContextFile, folder: Path) -> CountTokens:
    if file.tokenizer is None:
        return lambda text: len(text) / file.characters_per_token
    path = folder / file.tokenizer
    path = path / "tokenizer.json" if path.is_dir() else path
    try:
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.no_truncation()  # which training may have left in the file
        tokenizer.no_padding()
    except Exception as error:  # the Rust library raises bare Exception
        raise InputError(
            f"long_context.tokenizer cannot be read ({error})",
            where=str(path),
            next_step="name a folder that holds a tokenizer.json",
        ) from error
    return lru_cache(maxsize=1 << 16)(
        lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
    )
