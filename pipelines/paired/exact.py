"""Exact binomial inference on break counts. scipy is imported where it is used, to start lightly.

Clopper & Pearson, "The use of confidence or fiducial limits illustrated in the case of the
binomial", Biometrika 26 (1934). The identity P(X > k | n, p) = I_p(k + 1, n - k), with I the
regularized incomplete beta function, turns every question here into a value of `betaincinv`.

`effective` is how many independent items the counted ones amount to where they share groups
(`pipelines.paired.clusters`); bounds never fall below those of as many independent items.
"""

from collections.abc import Callable
from functools import lru_cache

from quantgate.pipelines.paired.clusters import with_more_items

_POWER = 0.8
_REMEMBERED = 1 << 16


@lru_cache(maxsize=_REMEMBERED)
def break_rate_bound(
    broke: int, reliable: int, confidence: float, effective: float | None = None
) -> float:
    """Return the one-sided Clopper-Pearson upper bound of the break rate; 1 without items."""
    if broke >= reliable:
        return 1.0
    from scipy.special import betaincinv

    return _worst(lambda a, b: betaincinv(a, b, confidence), broke, reliable, effective)


@lru_cache(maxsize=_REMEMBERED)
def break_rate_p(broke: int, reliable: int, rate: float, effective: float | None = None) -> float:
    """Return the probability of at most `broke` breaks if the true rate is `rate`; 1 without items.

    It is at most `1 - confidence` exactly where `break_rate_bound` is at most `rate`.
    """
    if broke >= reliable:
        return 1.0
    from scipy.special import betaincc

    return _worst(lambda a, b: betaincc(a, b, rate), broke, reliable, effective)


def _worst(
    tail: Callable[[float, float], float], broke: int, reliable: int, effective: float | None
) -> float:
    """The larger of what a beta tail says of all items, and of the independent ones they are worth."""
    whole = float(tail(broke + 1, reliable - broke))
    if effective is None or effective >= reliable:
        return whole
    scaled = broke * effective / reliable
    return max(whole, float(tail(scaled + 1, effective - scaled)))


@lru_cache(maxsize=_REMEMBERED)
def share_lower_bound(
    right: int, items: int, confidence: float, effective: float | None = None
) -> float:
    """Return the one-sided Clopper-Pearson lower bound of a share, e.g. an accuracy; 0 without items."""
    return 1.0 - break_rate_bound(items - right, items, confidence, effective) if items else 0.0


@lru_cache(maxsize=_REMEMBERED)
def largest_passing_breaks(
    reliable: int, max_break_rate: float, confidence: float, effective: float | None = None
) -> int:
    """Return the most breaks among `reliable` items whose bound is within the limit; -1 if none is."""
    if break_rate_bound(0, reliable, confidence, effective) > max_break_rate:
        return -1
    passing, failing = 0, reliable  # the bound grows with breaks and is 1 when all broke
    while failing - passing > 1:
        middle = (passing + failing) // 2
        if break_rate_bound(middle, reliable, confidence, effective) <= max_break_rate:
            passing = middle
        else:
            failing = middle
    return passing


@lru_cache(maxsize=_REMEMBERED)
def items_needed(
    broke: int,
    reliable: int,
    *,
    max_break_rate: float,
    confidence: float,
    effective: float | None = None,
) -> int:
    """Return how many more unbroken items bring the bound within the limit; 0 if it is already.

    Each of them has to be in a group of its own.
    """

    def bound(more: int) -> float:
        independent = None if effective is None else with_more_items(reliable, effective, more)
        return break_rate_bound(broke, reliable + more, confidence, independent)

    if bound(0) <= max_break_rate:
        return 0
    short, enough = 0, 1  # the bound falls with unbroken items, towards 0
    while bound(enough) > max_break_rate:
        short, enough = enough, enough * 2
    while enough - short > 1:
        middle = (short + enough) // 2
        if bound(middle) > max_break_rate:
            short = middle
        else:
            enough = middle
    return enough


def fewest_failing_breaks(reliable: int, max_break_rate: float) -> int:
    """Return how few breaks make a slice too small to pass fail: above the limit, and at least two.

    One break of one item is a rate of 100 % and no evidence. May exceed `reliable`.
    """
    breaks = max(2, int(max_break_rate * reliable))
    while breaks <= reliable and breaks / reliable <= max_break_rate:
        breaks += 1
    return breaks


@lru_cache(maxsize=_REMEMBERED)
def detectable_break_rate(reliable: int, max_break_rate: float, confidence: float) -> float:
    """Return the smallest true break rate that is noticed with probability 0.8; 1 when none is.

    Noticed means, where there are items enough to be able to pass: does not pass. Where there are
    not: fails on evidence, see `fewest_failing_breaks`.
    """
    passing = largest_passing_breaks(reliable, max_break_rate, confidence)
    noticed = passing + 1 if passing >= 0 else fewest_failing_breaks(reliable, max_break_rate)
    if noticed > reliable:
        return 1.0
    from scipy.special import betaincinv

    return float(betaincinv(noticed, reliable - noticed + 1, _POWER))


@lru_cache(maxsize=_REMEMBERED)
def mcnemar_p(broke: int, fixed: int) -> float:
    """Return the exact two-sided p of McNemar's test: both directions equally likely among flips.

    McNemar, Psychometrika 12 (1947), in its exact conditional form: twice the smaller binomial tail
    at one half, at most 1.
    """
    if broke + fixed == 0:
        return 1.0
    from scipy.special import bdtr

    return min(1.0, 2.0 * float(bdtr(min(broke, fixed), broke + fixed, 0.5)))
