"""A verdict in one word, and an interval around a number."""

from dataclasses import dataclass
from enum import StrEnum


class Decision(StrEnum):
    """A verdict in one word; `unproven` exists for slices only (too few items to be able to pass)."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A two-sided confidence interval."""

    low: float
    high: float
