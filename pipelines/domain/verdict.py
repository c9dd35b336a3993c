"""Pairing outcomes, statistics and verdicts."""

from dataclasses import dataclass
from enum import StrEnum

from pipelines.domain.policy import Policy
from pipelines.domain.run import GradedAnswer, RunContract
from pipelines.domain.values import Digest


class PairOutcome(StrEnum):
    """What became of one item between reference and variant."""

    BOTH_RIGHT = "both right"
    BROKE = "broke"
    FIXED = "fixed"
    BOTH_WRONG_SAME = "both wrong, same answer"
    BOTH_WRONG_DIFFERENT = "both wrong, different answer"


class Decision(StrEnum):
    """A verdict in one word; `unproven` exists for slices only (too few items to be able to pass)."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedItem:
    """One item answered by both. `stable` is False where the reference disagrees with itself (A/A).

    Unstable items are listed and kept out of the break rate.
    """

    item_id: str
    slices: tuple[str, ...]
    outcome: PairOutcome
    stable: bool
    reference: GradedAnswer
    variant: GradedAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A two-sided confidence interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedStatistics:
    """Counts and inference for one slice, or for the whole suite.

    `reliable` is the number of stable items the reference gets right (the denominator of the break
    rate) and `broke` those of them that the variant gets wrong; `unstable` items are in `items`,
    `reference_right` and `variant_right`, but never in `reliable`, `broke` or `fixed`.
    `delta` is variant minus reference accuracy over all items, with its paired interval.
    `detectable_break_rate`: see `pipelines.paired`.
    """

    items: int
    reference_right: int
    variant_right: int
    unstable: int
    reliable: int
    broke: int
    fixed: int
    changed_wrong: int
    delta: float
    delta_interval: Interval
    break_rate_bound: float
    mcnemar_p: float
    detectable_break_rate: float

    @property
    def reference_accuracy(self) -> float:
        """Share of items the reference gets right; 0 without items."""
        return self.reference_right / self.items if self.items else 0.0

    @property
    def variant_accuracy(self) -> float:
        """Share of items the variant gets right; 0 without items."""
        return self.variant_right / self.items if self.items else 0.0

    @property
    def break_rate(self) -> float:
        """Observed share of reliably right items that broke; 0 without such items."""
        return self.broke / self.reliable if self.reliable else 0.0

    @property
    def flip_rate(self) -> float:
        """Share of all items whose correctness changed, unstable ones not counted as flips."""
        return (self.broke + self.fixed) / self.items if self.items else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceVerdict:
    """One slice (or, named `all`, the whole suite) judged; `unbroken_items_needed` more would settle it."""

    name: str
    critical: bool
    decision: Decision
    reason: str
    statistics: PairedStatistics
    unbroken_items_needed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What may be said of a variant on a suite, in a runtime, with these decode settings.

    `reasons` says in plain sentences why the decision is what it is (audit misses first).
    `contract` is the variant's run's. A variant that failed its audit before any item was asked has
    no run: then `run_key` and `whole` are None, `slices` and `items` empty, and `contract` is the
    one under which it would have been asked.
    """

    subject: str
    decision: Decision
    reasons: tuple[str, ...]
    policy: Policy
    contract: RunContract
    reference_key: str
    run_key: str | None
    suite_digest: Digest
    whole: SliceVerdict | None
    slices: tuple[SliceVerdict, ...]
    items: tuple[PairedItem, ...]

    @property
    def unproven_slices(self) -> tuple[str, ...]:
        """Names of slices that are too small to prove themselves."""
        return tuple(s.name for s in self.slices if s.decision is Decision.UNPROVEN)
