"""Whether an answer rules out a choice that it names, or gives the option's own text: `B) False`."""

import re
from collections.abc import Sequence
from functools import lru_cache

from quantgate.pipelines.evaluation.graders.text.choice_negation import (
    LISTED,
    NOUN_BEFORE,
    RULED_OUT_AFTER,
    RULED_OUT_BEFORE,
)
from quantgate.pipelines.evaluation.graders.text.choice_words import Ways

_BEFORE = re.compile(f"(?:{RULED_OUT_BEFORE})$", re.IGNORECASE)
_AFTER = re.compile(f"\\W{{0,5}}?(?:{RULED_OUT_AFTER})", re.IGNORECASE)
_LISTED = re.compile(LISTED, re.IGNORECASE)
_NOUN_BEFORE = re.compile(NOUN_BEFORE, re.IGNORECASE)
_WORD = re.compile(r"\w")
_SET_APART = re.compile(r"[.:,;!?—–\n、。-]")
_ARTICLES = frozenset("AIOEYaioey")
_WORD_AFTER = re.compile(
    r" (?!(?:because|since|as|for|and|or|which|is|with|due|but|not|seems|looks)\b)[a-zà-ÿ]"
)


def ruled_out(match: re.Match[str], text: str, ways: Ways, question: str = "") -> bool:
    """Whether what stands around a choice rules it out.

    A verdict that is set apart (`B: no`, `B) False`, `The answer is B - Not stated`) may be the
    option's own text. It rules out a choice only where another one stands beside it. One that is
    declared, or has this text in `question`, is ruled out only where the answer lists verdicts:
    `Answer: A - wrong; B - right`.
    """
    if _before(match, text):
        return True
    after = _after(match, text, ways)
    if after is None or after["particle"]:
        return after is not None
    if _is_declared(match, text):
        return not _is_set_apart(match, after, "(") or _other(match, _listed(text, ways))
    said = after["text"] or after["sentence"]
    if said is None or not _is_set_apart(match, after):
        return True
    is_option = _is_option_text(match["label"], said.casefold(), question, ways)
    return _other(match, _listed(text, ways) if is_option else _standing(text, ways))


def is_a_word(match: re.Match[str], text: str) -> bool:
    """`A` in `The answer is A common cold` is an article, no choice."""
    start, end = match.span("label")
    if match["label"] not in _ARTICLES or text[start - 1 : start] in ("(", "[", "*"):
        return False
    return _WORD_AFTER.match(text, end) is not None


def spelled_as(named: str, labels: Sequence[str]) -> str:
    """Labels may differ by case alone; else any case of a label is that label."""
    if named in labels:
        return named
    return next(label for label in labels if label.casefold() == named.casefold())


def _before(match: re.Match[str], text: str) -> bool:
    start = match.start("label")
    return _BEFORE.search(text[max(0, start - 40) : start]) is not None


def _after(match: re.Match[str], text: str, ways: Ways) -> re.Match[str] | None:
    """Return what rules out a choice behind it; the `not` of `B - not A` rules out the other one."""
    after = _AFTER.match(text, match.end("label"))
    if after and (after["text"] or after["verb"]) and ways.contrasted.match(text, after.end()):
        return None
    return after


def _is_declared(match: re.Match[str], text: str) -> bool:
    """`The answer is B` declares one, `Option B` or a lone `(B)` only names it."""
    before = text[match.start() : match.start("label")]
    return bool(before.strip(" ([*_`.!;\n")) and _NOUN_BEFORE.search(before) is None


def _is_set_apart(match: re.Match[str], after: re.Match[str], further: str = "") -> bool:
    """Whether a verdict is set apart from its choice, by a bracket too: `B) No`, and `(B) No` at a start."""
    between = _WORD.split(after[0], maxsplit=1)[0]
    if _SET_APART.search(between) or (further and further in between):
        return True
    if not set(between) & set(")]"):
        return False
    before = after.string[: match.start("label")][-40:]
    if not before.rstrip("*_` ").endswith(("(", "[")):
        return True
    first = after[0][len(between) : len(between) + 1]
    return after["text"] is not None and not first.islower() and not _NOUN_BEFORE.search(before)


@lru_cache(maxsize=64)
def _is_option_text(label: str, said: str, question: str, ways: Ways) -> bool:
    """Whether a question lists the choice with this text: `B) False`."""
    for listed in (match for pattern in ways.named for match in pattern.finditer(question)):
        follows = question[listed.end() : listed.end() + 40].lstrip(" ()[]*_`.:、—–-")
        if listed["label"] == label and follows.casefold().startswith(said):
            return True
    return False


def _other(match: re.Match[str], labels: frozenset[str]) -> bool:
    return any(label.casefold() != match["label"].casefold() for label in labels)


@lru_cache(maxsize=4)
def _standing(text: str, ways: Ways) -> frozenset[str]:
    """Return the choices that are named and not ruled out, verdicts that are set apart aside."""
    return frozenset(
        match["label"]
        for match in _all_named(text, ways)
        if (after := _after(match, text, ways)) is None
        or ((after["text"] or after["sentence"]) is not None and _is_set_apart(match, after))
    )


@lru_cache(maxsize=4)
def _listed(text: str, ways: Ways) -> frozenset[str]:
    """Return the choices that have a verdict of their own."""
    return frozenset(
        match["label"]
        for match in _all_named(text, ways)
        if _LISTED.match(text, match.end("label"))
    )


def _all_named(text: str, ways: Ways) -> list[re.Match[str]]:
    matches = [match for pattern in ways.named for match in pattern.finditer(text)]
    return [match for match in matches if not is_a_word(match, text) and not _before(match, text)]
