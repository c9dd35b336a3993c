"""Counts and inference for one slice, or for the whole suite."""

from collections import Counter
from collections.abc import Sequence

from pipelines.domain.errors import InputError
from pipelines.domain.verdict import PairedItem, PairedStatistics, PairOutcome
from pipelines.paired.exact import break_rate_bound, detectable_break_rate, mcnemar_p
from pipelines.paired.interval import paired_difference_interval

_REFERENCE_RIGHT = (PairOutcome.BOTH_RIGHT, PairOutcome.BROKE)
_VARIANT_RIGHT = (PairOutcome.BOTH_RIGHT, PairOutcome.FIXED)


def statistics(
    items: Sequence[PairedItem], *, confidence: float, max_break_rate: float
) -> PairedStatistics:
    """Count outcomes and infer; see `PairedStatistics` for what each number means.

    The delta, its interval and McNemar's p are over all items, unstable ones included. The bound is
    one-sided at `confidence`, the interval two-sided at the same.

    Raises:
        InputError: where a rate or confidence is not strictly between 0 and 1.
    """
    _require_fraction("max_break_rate", max_break_rate)
    _require_fraction("confidence", confidence)
    every = Counter(item.outcome for item in items)
    stable = Counter(item.outcome for item in items if item.stable)
    reliable = sum(stable[outcome] for outcome in _REFERENCE_RIGHT)
    lost, gained = every[PairOutcome.BROKE], every[PairOutcome.FIXED]
    return PairedStatistics(
        items=len(items),
        reference_right=sum(every[outcome] for outcome in _REFERENCE_RIGHT),
        variant_right=sum(every[outcome] for outcome in _VARIANT_RIGHT),
        unstable=sum(not item.stable for item in items),
        reliable=reliable,
        broke=stable[PairOutcome.BROKE],
        fixed=stable[PairOutcome.FIXED],
        changed_wrong=every[PairOutcome.BOTH_WRONG_DIFFERENT],
        delta=(gained - lost) / len(items) if items else 0.0,
        delta_interval=paired_difference_interval(
            gained=gained, lost=lost, items=len(items), confidence=confidence
        ),
        break_rate_bound=break_rate_bound(stable[PairOutcome.BROKE], reliable, confidence),
        mcnemar_p=mcnemar_p(lost, gained),
        detectable_break_rate=detectable_break_rate(reliable, max_break_rate, confidence),
    )


def _require_fraction(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise InputError(
            f"{name} is {value}, and has to be between 0 and 1",
            where="policy",
            next_step="mark a slice critical where no break at all is tolerable",
        )
