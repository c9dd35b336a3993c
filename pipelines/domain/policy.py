"""A policy: the reviewed set of rules a variant has to meet."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Limits on the break rate of items that the reference reliably gets right.

    The whole suite, and every slice large enough to be able to pass, must show an exact one-sided
    upper bound of at most `max_break_rate` at the given `confidence`. `critical_slices` tolerate no
    break. `require_all_slices` makes slices too small to prove themselves block as well.
    `reference_runs` is how often the reference answers the suite (A/A noise floor), at least 1.
    """

    max_break_rate: float = 0.10
    confidence: float = 0.95
    critical_slices: tuple[str, ...] = ()
    require_all_slices: bool = False
    reference_runs: int = 3
