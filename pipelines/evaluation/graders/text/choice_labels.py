"""Which choice an answer names: the most explicit way that names anything decides."""

import re
from collections.abc import Sequence

from pipelines.evaluation.graders.reading.strict_json import Refused
from pipelines.evaluation.graders.text.choice_negation import RULED_OUT_AFTER, RULED_OUT_BEFORE
from pipelines.evaluation.graders.text.choice_words import Ways, ways_to_name
from pipelines.evaluation.graders.text.normal_forms import plain_letters
from pipelines.evaluation.invisible import without_invisible

_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\s*\n\s*")
_LATEX = re.compile(r"\\(?:text|mathrm|mathbf|textbf|mathit)\s?\{([^{}]{0,200})\}")
_QUOTES = re.compile('["“”„«»『』「」【】]|\\\\[()\\[\\]]|\\$')
_RULED_OUT_BEFORE = re.compile(f"(?:{RULED_OUT_BEFORE})$", re.IGNORECASE)
_RULED_OUT_AFTER = re.compile(f"\\W{{0,4}}(?:{RULED_OUT_AFTER})", re.IGNORECASE)
_ARTICLES = frozenset("AIOEYaioey")
_WORD_AFTER = re.compile(
    r" (?!(?:because|since|as|for|and|or|which|is|with|due|but|not|seems|looks)\b)[a-zà-ÿ]"
)
_NOTHING_MORE = re.compile(r"[\s.)\]*_`!。]{0,20}")


def chosen(text: str, labels: Sequence[str], where: str) -> str | Refused:
    """Return the label that `text` chooses, as `labels` spells it; refused where none or several.

    `where` says which of several declarations counts, `last` or `first`; `whole` asks for an answer
    that is nothing but the choice.
    """
    text, spelled = _readable(text), list(labels)
    labels = [plain_letters(label) for label in spelled]
    found = _chosen(text, labels, where)
    return found if isinstance(found, Refused) else spelled[labels.index(found)]


def _chosen(text: str, labels: Sequence[str], where: str) -> str | Refused:
    ways = ways_to_name(tuple(labels))
    if where == "whole":
        return _alone(text, ways, labels)
    for way in (ways.boxed, ways.declared):
        found = [match for match in _all(way, text) if not _ruled_out(match, text)]
        if found:
            return _one([found[-1 if where == "last" else 0]], text, ways, labels)
    left_over = _left_over(text, ways)
    if left_over:
        return _one(left_over, text, ways, labels)
    for way in (ways.alone, ways.begun, ways.marked):
        found = _all(way, text)
        if found and any(_ruled_out(match, text) for match in found):
            return Refused(reason="no choice is named, one is only ruled out")
        if found:
            return _one(found, text, ways, labels)
    return Refused(reason="no choice is named")


def _left_over(text: str, ways: Ways) -> list[re.Match[str]]:
    """Return a choice that is a sentence of its own where all others are ruled out: `Not A. Not B. C.`"""
    alone = [match for match in _all(ways.sentence, text) if not _ruled_out(match, text)]
    if not alone:
        return []
    named = _all(ways.named, text)
    kept = [match for match in named if not _ruled_out(match, text)]
    return [*alone, *kept] if len(kept) < len(named) else []


def _readable(text: str) -> str:
    r"""Drop what only sets a label apart: quotes, `\text{}`, width, unseen marks, runs of whitespace."""
    text = plain_letters(without_invisible(text))
    text = _LATEX.sub(r"\1", _QUOTES.sub("", text))
    return _LINES.sub("\n", _SPACES.sub(" ", text)).strip()


def _alone(text: str, ways: Ways, labels: Sequence[str]) -> str | Refused:
    for pattern in (*ways.alone, *ways.boxed, *ways.declared):
        match = pattern.match(text)
        said = match or next(iter(pattern.finditer(text[:80])), None)
        if said and _NOTHING_MORE.fullmatch(text, said.end()) and not _ruled_out(said, text):
            return _one([said], text, ways, labels)
    return Refused(reason="the answer is not a choice alone")


def _all(way: tuple[re.Pattern[str], ...], text: str) -> list[re.Match[str]]:
    found = [match for pattern in way for match in pattern.finditer(text)]
    found.sort(key=lambda match: match.start("label"))
    return [match for match in found if not _is_a_word(match, text)]


def _one(
    found: Sequence[re.Match[str]], text: str, ways: Ways, labels: Sequence[str]
) -> str | Refused:
    named = {_spelled(match["label"], labels) for match in found}
    for match in found:
        further = ways.further.match(text, match.end("label"))
        if further and not _is_a_word(further, text):
            named.add(_spelled(further["label"], labels))
    if len(named) == 1:
        return named.pop()
    shown = sorted(named, key=list(labels).index)[:5]
    return Refused(reason=f"ambiguous: the answer names {' and '.join(shown)}")


def _spelled(found: str, labels: Sequence[str]) -> str:
    """Labels may differ by case alone; else any case of a label is that label."""
    if found in labels:
        return found
    return next(label for label in labels if label.casefold() == found.casefold())


def _is_a_word(match: re.Match[str], text: str) -> bool:
    """`A` in `The answer is A common cold` is an article, no choice."""
    start, end = match.span("label")
    if match["label"] not in _ARTICLES or text[start - 1 : start] in ("(", "[", "*"):
        return False
    return _WORD_AFTER.match(text, end) is not None


def _ruled_out(match: re.Match[str], text: str) -> bool:
    start, end = match.span("label")
    before = text[max(0, start - 40) : start]
    return bool(_RULED_OUT_BEFORE.search(before) or _RULED_OUT_AFTER.match(text, end))
