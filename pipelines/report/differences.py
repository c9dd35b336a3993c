"""Two answers side by side: what is the same in both, and what only one of them says."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

from quantgate.pipelines.report.wording import visible

_TOKENS = re.compile(r"\s+|\d|[^\W\d_]+|.", re.DOTALL)
_LONGEST_SHOWN = 1200
_CONTEXT_BEFORE_DIFFERENCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of text; `changed` where the other answer does not have it."""

    text: str
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One answer as shown: characters left out before and after, and the segments between."""

    left_out_before: int
    segments: tuple[Segment, ...]
    left_out_after: int


def side_by_side(reference: str, variant: str) -> tuple[Shown, Shown]:
    """Compare two answers word by word, digit by digit; of long ones a window around the first difference.

    Concatenated segments give back the text shown, with invisible characters made visible.
    """
    first, second = visible(reference), visible(variant)
    start = 0
    if max(len(first), len(second)) > _LONGEST_SHOWN:
        start = max(0, _common_prefix_length(first, second) - _CONTEXT_BEFORE_DIFFERENCE)
    shown_first, shown_second = (text[start : start + _LONGEST_SHOWN] for text in (first, second))
    left, right = _segments(shown_first, shown_second)
    return (
        Shown(
            left_out_before=start,
            segments=left,
            left_out_after=max(0, len(first) - start - _LONGEST_SHOWN),
        ),
        Shown(
            left_out_before=start,
            segments=right,
            left_out_after=max(0, len(second) - start - _LONGEST_SHOWN),
        ),
    )


def _common_prefix_length(first: str, second: str) -> int:
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(first), len(second)))


def _segments(first: str, second: str) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    tokens, others = _TOKENS.findall(first), _TOKENS.findall(second)
    left: list[Segment] = []
    right: list[Segment] = []
    matcher = SequenceMatcher(a=tokens, b=others, autojunk=False)
    for kind, a_from, a_to, b_from, b_to in matcher.get_opcodes():
        changed = kind != "equal"
        if a_to > a_from:
            left.append(Segment(text="".join(tokens[a_from:a_to]), changed=changed))
        if b_to > b_from:
            right.append(Segment(text="".join(others[b_from:b_to]), changed=changed))
    return tuple(left), tuple(right)
