"""A policy: the reviewed set of rules a variant has to meet."""

from dataclasses import dataclass
from typing import Literal

FamilyWise = Literal["holm", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one scope, the whole suite or a slice, is held to; a rule that is None is not asked.

    `non_inferiority` is the most that accuracy (or the mean score, where grades are graded) may have
    fallen, `min_accuracy` the least accuracy, `max_refusal_rate_increase` the most that the rate of
    refusals may have risen: each shown by a one-sided bound at `confidence`. `max_verbosity_ratio` is the
    most tokens a variant may take, as a multiple of the reference's on the same items.
    """

    max_break_rate: float
    confidence: float
    critical: bool = False
    non_inferiority: float | None = None
    min_accuracy: float | None = None
    max_verbosity_ratio: float | None = None
    max_refusal_rate_increase: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlicePolicy:
    """What one slice is held to apart from the rest. `max_break_rate` and `confidence` are the policy's
    where they are None; every other rule holds for a slice only where it is named here.
    """

    name: str
    critical: bool = False
    max_break_rate: float | None = None
    confidence: float | None = None
    non_inferiority: float | None = None
    min_accuracy: float | None = None
    max_verbosity_ratio: float | None = None
    max_refusal_rate_increase: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Limits on the break rate of items that the reference reliably gets right, and further rules.

    The whole suite, and every slice large enough to be able to pass, must show an exact one-sided
    upper bound of at most `max_break_rate` at the given `confidence`. `critical_slices` tolerate no
    break. `require_all_slices` makes slices too small to prove themselves block as well.
    `reference_runs` is how often the reference answers the suite (A/A noise floor), `variant_runs` how often
    each variant does; both at least 1.

    The rules from `non_inferiority` to `max_refusal_rate_increase` are the whole suite's; see `Limits`.
    `family_wise` `holm` holds the variants of one build to the confidence together. With `early_stopping`
    a variant whose decision can no longer change is not asked the rest of the suite. `error_shares` is into
    how many equal parts a search splits the error: the whole suite is then held to one of them.
    """

    max_break_rate: float = 0.10
    confidence: float = 0.95
    critical_slices: tuple[str, ...] = ()
    require_all_slices: bool = False
    reference_runs: int = 3
    non_inferiority: float | None = None
    min_accuracy: float | None = None
    max_verbosity_ratio: float | None = None
    max_refusal_rate_increase: float | None = None
    family_wise: FamilyWise = "none"
    early_stopping: bool = False
    slices: tuple[SlicePolicy, ...] = ()
    error_shares: int = 1
    variant_runs: int = 1

    @property
    def named_slices(self) -> tuple[str, ...]:
        """Every slice that the policy speaks of."""
        return tuple(dict.fromkeys((*self.critical_slices, *(rules.name for rules in self.slices))))

    @property
    def whole_confidence(self) -> float:
        """Confidence of the whole suite's bounds: above `confidence` where a search shares its error."""
        if self.error_shares == 1:
            return self.confidence
        return 1.0 - (1.0 - self.confidence) / self.error_shares

    def limits(self) -> Limits:
        """Return what the whole suite is held to."""
        return Limits(
            max_break_rate=self.max_break_rate,
            confidence=self.whole_confidence,
            non_inferiority=self.non_inferiority,
            min_accuracy=self.min_accuracy,
            max_verbosity_ratio=self.max_verbosity_ratio,
            max_refusal_rate_increase=self.max_refusal_rate_increase,
        )

    def slice_limits(self, name: str, *, critical: bool = False) -> Limits:
        """Return what a slice is held to; `critical` is what the suite says of it."""
        specific = next(
            (rules for rules in self.slices if rules.name == name), SlicePolicy(name=name)
        )
        return Limits(
            max_break_rate=_or(specific.max_break_rate, self.max_break_rate),
            confidence=_or(specific.confidence, self.confidence),
            critical=critical or specific.critical or name in self.critical_slices,
            non_inferiority=specific.non_inferiority,
            min_accuracy=specific.min_accuracy,
            max_verbosity_ratio=specific.max_verbosity_ratio,
            max_refusal_rate_increase=specific.max_refusal_rate_increase,
        )


def _or(specific: float | None, general: float) -> float:
    return general if specific is None else specific
