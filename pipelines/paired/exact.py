"""Exact binomial inference on break counts. scipy is imported where it is used, to start lightly.

Clopper & Pearson, "The use of confidence or fiducial limits illustrated in the case of the
binomial", Biometrika 26 (1934). The identity P(X > k | n, p) = I_p(k + 1, n - k), with I the
regularized incomplete beta function, turns every question here into a value of `betaincinv`.
"""

_POWER = 0.8


def break_rate_bound(broke: int, reliable: int, confidence: float) -> float:
    """Return the one-sided Clopper-Pearson upper bound of the break rate; 1 without items."""
    if broke >= reliable:
        return 1.0
    from scipy.special import betaincinv

    return float(betaincinv(broke + 1, reliable - broke, confidence))


def largest_passing_breaks(reliable: int, max_break_rate: float, confidence: float) -> int:
    """Return the most breaks among `reliable` items whose bound is within the limit; -1 if none is."""
    if break_rate_bound(0, reliable, confidence) > max_break_rate:
        return -1
    passing, failing = 0, reliable  # the bound grows with breaks and is 1 when all broke
    while failing - passing > 1:
        middle = (passing + failing) // 2
        if break_rate_bound(middle, reliable, confidence) <= max_break_rate:
            passing = middle
        else:
            failing = middle
    return passing


def items_needed(broke: int, reliable: int, *, max_break_rate: float, confidence: float) -> int:
    """Return how many more unbroken items bring the bound within the limit; 0 if it is already."""
    if break_rate_bound(broke, reliable, confidence) <= max_break_rate:
        return 0
    short, enough = 0, 1  # the bound falls with unbroken items, towards 0
    while break_rate_bound(broke, reliable + enough, confidence) > max_break_rate:
        short, enough = enough, enough * 2
    while enough - short > 1:
        middle = (short + enough) // 2
        if break_rate_bound(broke, reliable + middle, confidence) > max_break_rate:
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


def mcnemar_p(broke: int, fixed: int) -> float:
    """Return the exact two-sided p of McNemar's test: both directions equally likely among flips.

    McNemar, Psychometrika 12 (1947), in its exact conditional form: twice the smaller binomial tail
    at one half, at most 1.
    """
    if broke + fixed == 0:
        return 1.0
    from scipy.special import bdtr

    return min(1.0, 2.0 * float(bdtr(min(broke, fixed), broke + fixed, 0.5)))
