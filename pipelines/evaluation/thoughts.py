"""Thoughts are not answers: the one place where they are told apart.

- A thought stands at the beginning of an answer, marked at both ends. Several may follow each other.
- Where the prompt has opened it already, or the opening was lost, the closing mark alone ends it.
- An answer that began with a thought may think again further on; what it said in between stays.
- A thought that never ends is no answer.
- Marks inside an answer that did not begin with a thought are part of it. So are marks in code (fenced or
  not) and between double quotes, hence in texts of JSON.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from quantgate.pipelines.domain.suites.thoughts import FAMILIES, Spoken, Thoughts
from quantgate.pipelines.evaluation.invisible import INVISIBLE, without_invisible_ends
from quantgate.pipelines.evaluation.thought_tags import HEADER, TRAILER, ThoughtMark, marks_of

_CODE = r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]*`"
_QUOTE = r"\"(?:\\.|[^\"\\\n])*+(?P<end>\")?"
"""A text between double quotes, or, without an `end`, what stands between a quote and the end of its line."""
_BLANK = re.compile(rf"[\s{INVISIBLE}]*")
_BLANK_LINES = re.compile(r"(?:[^\S\n]*\n)*")


def spoken_part(
    text: str, thoughts: Thoughts = FAMILIES, *, opened: ThoughtMark | None = None
) -> Spoken:
    """Take an answer apart; `opened` is the mark with which its prompt ended.

    Text without thoughts comes back as it is, but for characters at its ends that nobody sees. The spaces
    before its first line stay: in code they mean something.
    """
    marks = marks_of(thoughts)
    end, parts, finished = _after_leading(text, marks, opened)
    rest = text[end:]
    if finished and parts:
        rest, later, finished = _without_later(rest, marks)
        parts = [*parts, *later]
    header = HEADER.match(rest.lstrip())
    if header and thoughts.families:
        rest = TRAILER.sub("", rest.lstrip()[header.end() :])
    return Spoken(
        text=without_invisible_ends(rest) if finished else "",
        thoughts="\n".join(part.strip() for part in parts if part.strip()),
        finished=finished,
    )


def opened_mark(prompt: str, thoughts: Thoughts = FAMILIES) -> ThoughtMark | None:
    """Return the mark with which a rendered prompt ends: the answer to it begins inside a thought."""
    return _mark_at_end(prompt.rstrip()[-200:], thoughts)


@lru_cache(maxsize=4096)
def _mark_at_end(tail: str, thoughts: Thoughts) -> ThoughtMark | None:
    """Each variant is asked the same prompts."""
    for mark in marks_of(thoughts):
        if any(match.end() == len(tail) for match in mark.opens.finditer(tail)):
            return mark
    return None


def _after_leading(
    text: str, marks: Sequence[ThoughtMark], opened: ThoughtMark | None
) -> tuple[int, list[str], bool]:
    """Return where the thoughts at the beginning end, these, and whether the last one did end."""
    thoughts, at = list[str](), 0
    while True:
        start = _BLANK.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing, too
        mark = opened or next((mark for mark in marks if mark.opens.match(text, start)), None)
        again = mark.opens.match(text, start) if mark else None
        begin = again.end() if again else at
        closed = mark.closes.search(text, begin) if mark else _bare_closing(text, at, marks)
        if closed is None:
            return (len(text), [*thoughts, text[begin:]], False) if mark else (at, thoughts, True)
        thoughts.append(text[begin : closed.start()])
        at, opened = _BLANK_LINES.match(text, closed.end()).end(), None  # type: ignore[union-attr]


def _bare_closing(text: str, at: int, marks: Sequence[ThoughtMark]) -> re.Match[str] | None:
    """The first closing mark outside code and quotes, where none of its kind was opened before it."""
    bare = [mark for mark in marks if mark.bare]
    closing = _first(_outside_quotes(tuple(mark.closes.pattern for mark in bare)), text, at)
    if closing is None:
        return None
    mark = next(mark for mark in bare if mark.closes.match(text, closing.start()))
    return None if mark.opens.search(text, at, closing.start()) else closing


def _without_later(text: str, marks: Sequence[ThoughtMark]) -> tuple[str, list[str], bool]:
    """Cut thoughts out of what follows the first ones; outside code and quotes only."""
    again = [mark for mark in marks if mark.again]
    opening = _outside_quotes(tuple(mark.opens.pattern for mark in again))
    kept, thoughts, at = list[str](), list[str](), 0
    while opened := _first(opening, text, at):
        mark = next(mark for mark in again if mark.opens.match(text, opened.start()))
        closed = mark.closes.search(text, opened.end())
        kept.append(text[at : opened.start()])
        if closed is None:
            return "".join(kept), [*thoughts, text[opened.end() :]], False
        thoughts.append(text[opened.end() : closed.start()])
        at = closed.end()
    return "".join([*kept, text[at:]]), thoughts, True


def _first(pattern: "_Outside", text: str, at: int) -> re.Match[str] | None:
    """Return the first mark outside code and quotes.

    A quote without an end is none, and neither is any that follows it in its line: none is tried twice.
    """
    while match := pattern.marks_code_quotes.search(text, at):
        if match["mark"] is not None:
            return match
        at = match.end()
        if text[match.start()] == '"' and match["end"] is None:
            inside = _in_line(pattern.marks_code, text, match.start() + 1, match.end())
            if inside is not None and inside["mark"] is not None:
                return inside
            at = inside.end() if inside else at
    return None


def _in_line(pattern: re.Pattern[str], text: str, at: int, end: int) -> re.Match[str] | None:
    """Return the first mark between two places, or the code that reaches beyond them."""
    while match := pattern.search(text, at, end):
        whole = pattern.match(text, match.start())
        assert whole is not None
        if whole["mark"] is not None or whole.end() > end:
            return whole
        at = whole.end()
    return None


@dataclass(frozen=True, slots=True)
class _Outside:
    """Finds marks (the group `mark`), and in turn what they do not count in: code, quotes."""

    marks_code: re.Pattern[str]
    marks_code_quotes: re.Pattern[str]


@lru_cache(maxsize=256)
def _outside_quotes(patterns: tuple[str, ...]) -> _Outside:
    joined = "|".join(f"(?:{pattern})" for pattern in patterns) or "(?!)"
    mark, flags = f"(?P<mark>{joined})", re.IGNORECASE | re.DOTALL
    return _Outside(
        marks_code=re.compile(f"{_CODE}|{mark}", flags),
        marks_code_quotes=re.compile(f"{_CODE}|{_QUOTE}|{mark}", flags),
    )
