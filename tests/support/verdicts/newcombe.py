"""Newcombe's interval for paired proportions, to hold the one that is used against another method."""

from math import sqrt

from scipy.special import ndtri


def newcombe_interval(
    *, both_right: int, lost: int, gained: int, both_wrong: int, confidence: float
) -> tuple[float, float]:
    """Return the square-and-add interval of variant minus reference accuracy.

    Newcombe, "Improved confidence intervals for the difference between binomial proportions based on
    paired data", Statistics in Medicine 17, 2635-2650 (1998), method 10.
    """
    items = both_right + lost + gained + both_wrong
    z = float(ndtri((1 + confidence) / 2))
    before, after = (both_right + lost) / items, (both_right + gained) / items
    low_before, high_before = wilson(both_right + lost, items, z)
    low_after, high_after = wilson(both_right + gained, items, z)
    phi = _correlation(both_right, lost, gained, both_wrong)
    down, up = after - low_after, high_after - after
    back, forth = before - low_before, high_before - before
    below = sqrt(max(0.0, down**2 - 2 * phi * down * forth + forth**2))
    above = sqrt(max(0.0, up**2 - 2 * phi * up * back + back**2))
    return after - before - below, after - before + above


def wilson(right: int, items: int, z: float) -> tuple[float, float]:
    """Return Wilson's score interval of one proportion (1927)."""
    middle = (right + z**2 / 2) / (items + z**2)
    half = z * sqrt(right * (items - right) / items + z**2 / 4) / (items + z**2)
    return middle - half, middle + half


def _correlation(both_right: int, lost: int, gained: int, both_wrong: int) -> float:
    """Return phi, moved towards zero by half the items where it is positive."""
    items = both_right + lost + gained + both_wrong
    margins = (
        (both_right + lost) * (gained + both_wrong) * (both_right + gained) * (lost + both_wrong)
    )
    if not margins:
        return 0.0
    product = float(both_right * both_wrong - lost * gained)
    if product > 0:
        product = max(0.0, product - items / 2)
    return product / sqrt(margins)
