"""Which choice an answer names: the most explicit way that names anything decides."""

import re
from collections.abc import Sequence

from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused
from quantgate.pipelines.evaluation.graders.text.choice_ruled_out import (
    is_a_word,
    ruled_out,
    spelled_as,
)
from quantgate.pipelines.evaluation.graders.text.choice_words import Ways, ways_to_name
from quantgate.pipelines.evaluation.graders.text.normal_forms import plain_letters
from quantgate.pipelines.evaluation.invisible import without_invisible

_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\s*\n\s*")
_LATEX = re.compile(r"\\(?:text|mathrm|mathbf|textbf|mathit)\s?\{([^{}]{0,200})\}")
_QUOTES = re.compile('["“”„«»『』「」【】]|\\\\[()\\[\\]]|\\$')
_SINGLE_QUOTED = re.compile(r"(?<!\w)['\u2018]([^\W_]{1,2})['\u2019](?!\w)")
_NOTHING_MORE = re.compile(r"[\s.)\]*_`!。]{0,20}")


def chosen(text: str, labels: Sequence[str], where: str, question: str = "") -> str | Refused:
    """Return the label that `text` chooses, as `labels` spells it; refused where none or several.

    `where` says which of several declarations counts, `last` or `first`; `whole` asks for an answer
    that is nothing but the choice. `question` is what was asked, where options may stand.
    """
    text, spelled = _readable(text), list(labels)
    labels = [plain_letters(label) for label in spelled]
    label = _chosen(text, labels, where, _readable(question))
    return label if isinstance(label, Refused) else spelled[labels.index(label)]


def _chosen(text: str, labels: Sequence[str], where: str, question: str) -> str | Refused:
    ways = ways_to_name(tuple(labels))
    if where == "whole":
        return _alone(text, ways, labels)
    for way in (ways.boxed, ways.declared):
        matches = [match for match in _all(way, text) if not ruled_out(match, text, ways)]
        if matches:
            return _single_label([matches[-1 if where == "last" else 0]], text, ways, labels)
    left_over = _left_over(text, ways)
    if left_over:
        return _single_label(left_over, text, ways, labels)
    for way in (ways.alone, ways.begun, ways.marked):
        matches = _all(way, text)
        if matches and any(ruled_out(match, text, ways, question) for match in matches):
            return Refused(reason="no choice is named, one is only ruled out")
        if matches:
            return _single_label(matches, text, ways, labels)
    return Refused(reason="no choice is named")


def _left_over(text: str, ways: Ways) -> list[re.Match[str]]:
    """Return a choice that is a sentence of its own where all others are ruled out: `Not A. Not B. C.`"""
    alone = [match for match in _all(ways.sentence, text) if not ruled_out(match, text, ways)]
    if not alone:
        return []
    named = _all(ways.named, text)
    kept = [match for match in named if not ruled_out(match, text, ways)]
    return [*alone, *kept] if len(kept) < len(named) else []


def _readable(text: str) -> str:
    r"""Drop what only sets a label apart: quotes, `\text{}`, width, unseen marks, runs of whitespace."""
    text = plain_letters(without_invisible(text))
    text = _SINGLE_QUOTED.sub(r"\1", _QUOTES.sub("", text))
    text = _LATEX.sub(r"\1", text)
    return _LINES.sub("\n", _SPACES.sub(" ", text)).strip()


def _alone(text: str, ways: Ways, labels: Sequence[str]) -> str | Refused:
    for pattern in (*ways.alone, *ways.boxed, *ways.declared):
        match = pattern.match(text)
        said = match or next(iter(pattern.finditer(text[:80])), None)
        if said and _NOTHING_MORE.fullmatch(text, said.end()) and not ruled_out(said, text, ways):
            return _single_label([said], text, ways, labels)
    return Refused(reason="the answer is not a choice alone")


def _all(way: tuple[re.Pattern[str], ...], text: str) -> list[re.Match[str]]:
    matches = [match for pattern in way for match in pattern.finditer(text)]
    matches.sort(key=lambda match: match.start("label"))
    return [match for match in matches if not is_a_word(match, text)]


def _single_label(
    matches: Sequence[re.Match[str]], text: str, ways: Ways, labels: Sequence[str]
) -> str | Refused:
    named = {spelled_as(match["label"], labels) for match in matches}
    for match in matches:
        further = ways.further.match(text, match.end("label"))
        if further and not is_a_word(further, text):
            named.add(spelled_as(further["label"], labels))
    if len(named) == 1:
        return named.pop()
    shown = sorted(named, key=list(labels).index)[:5]
    return Refused(reason=f"ambiguous: the answer names {' and '.join(shown)}")
