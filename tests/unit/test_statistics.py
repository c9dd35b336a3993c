"""The numbers agree with published tables, with hand computation, and with common sense at the edges."""

from math import comb

import pytest

from pipelines.domain.errors import InputError
from pipelines.paired.exact import (
    break_rate_bound,
    detectable_break_rate,
    fewest_failing_breaks,
    items_needed,
    largest_passing_breaks,
    mcnemar_p,
)
from pipelines.paired.interval import paired_difference_interval
from pipelines.paired.statistics import statistics
from tests.unit.judging_examples import paired_items


def at_most(breaks: int, items: int, rate: float) -> float:
    """P(X <= breaks), written out."""
    return sum(
        comb(items, count) * rate**count * (1 - rate) ** (items - count)
        for count in range(breaks + 1)
    )


@pytest.mark.parametrize("items", [1, 5, 28, 29, 30, 59, 300])
def test_without_breaks_the_bound_is_the_closed_form(items: int) -> None:
    # Clopper-Pearson with no event: 1 - alpha**(1/n); 59 items for 5 % is the textbook sample size.
    assert break_rate_bound(0, items, 0.95) == pytest.approx(1 - 0.05 ** (1 / items), abs=1e-12)


@pytest.mark.parametrize(
    ("breaks", "items", "confidence", "bound"),
    [
        # Two-sided 95 % limits are one-sided 97.5 % ones: Newcombe, Statistics in Medicine 17
        # (1998) 857-872, table I, Clopper-Pearson ("exact") upper limits.
        (81, 263, 0.975, 0.3676),
        (15, 148, 0.975, 0.1617),
        (0, 20, 0.975, 0.1684),
        (1, 29, 0.975, 0.1776),
        # One-sided 95 %: the sizes DESIGN.md promises (30 without a break, 50 with one).
        (0, 30, 0.95, 0.0950),
        (1, 50, 0.95, 0.0914),
        (3, 41, 0.95, 0.1784),
    ],
)
def test_bounds_agree_with_published_clopper_pearson_limits(
    breaks: int, items: int, confidence: float, bound: float
) -> None:
    assert break_rate_bound(breaks, items, confidence) == pytest.approx(bound, abs=5e-5)


@pytest.mark.parametrize(("breaks", "items"), [(0, 30), (1, 50), (7, 80), (40, 41)])
def test_at_its_bound_so_few_breaks_have_a_probability_of_five_percent(
    breaks: int, items: int
) -> None:
    assert at_most(breaks, items, break_rate_bound(breaks, items, 0.95)) == pytest.approx(0.05)


def test_the_bound_is_one_where_nothing_is_known_or_everything_broke() -> None:
    assert break_rate_bound(0, 0, 0.95) == 1.0
    assert break_rate_bound(7, 7, 0.95) == 1.0


@pytest.mark.parametrize(
    ("broke", "fixed", "p"),
    [
        # Fagerland, Lydersen & Laake, Statistical Analysis of Contingency Tables (2017), chapter 8:
        # airway hyper-responsiveness (Bentur 2009) and complete response (Cavo 2012).
        (1, 7, 18 / 256),
        (6, 16, 0.052479),
        (0, 0, 1.0),
        (3, 3, 1.0),
        (0, 5, 2 / 32),
        (12, 2, 2 * (1 + 14 + 91) / 2**14),
    ],
)
def test_mcnemar_agrees_with_published_examples(broke: int, fixed: int, p: float) -> None:
    assert mcnemar_p(broke, fixed) == pytest.approx(p, abs=5e-7)
    assert mcnemar_p(fixed, broke) == mcnemar_p(broke, fixed)


@pytest.mark.parametrize(
    ("gained", "lost", "items", "low", "high"),
    [
        # Tango's interval in Fagerland, Lydersen & Laake (2014; 2017, chapter 8): Bentur 2009 and
        # Cavo 2012, with rows and columns as `gained` and `lost`.
        (1, 7, 21, -0.517, -0.026),
        (6, 16, 161, -0.1240, -0.0054),
    ],
)
def test_the_paired_interval_agrees_with_published_examples(
    gained: int, lost: int, items: int, low: float, high: float
) -> None:
    interval = paired_difference_interval(gained=gained, lost=lost, items=items, confidence=0.95)

    digits = 5e-4 if items == 21 else 5e-5
    assert interval.low == pytest.approx(low, abs=digits)
    assert interval.high == pytest.approx(high, abs=digits)


def test_without_flips_the_paired_interval_is_the_closed_form() -> None:
    # With no flips the score equation reduces to difference = z**2 / (n + z**2).
    z_squared = 1.959963984540054**2
    for items in (1, 2, 30, 100_000):
        interval = paired_difference_interval(gained=0, lost=0, items=items, confidence=0.95)
        assert interval.high == pytest.approx(z_squared / (items + z_squared), abs=1e-8)
        assert interval.low == pytest.approx(-interval.high, abs=1e-8)


@pytest.mark.parametrize("items", [1, 2, 3, 10, 30])
def test_paired_intervals_hold_their_estimate_and_stay_within_one(items: int) -> None:
    for lost in range(items + 1):
        for gained in range(items - lost + 1):
            interval = paired_difference_interval(
                gained=gained, lost=lost, items=items, confidence=0.95
            )
            estimate = (gained - lost) / items
            assert -1.0 <= interval.low <= estimate <= interval.high <= 1.0
            assert interval.low < interval.high
            mirrored = paired_difference_interval(
                gained=lost, lost=gained, items=items, confidence=0.95
            )
            assert mirrored.low == pytest.approx(-interval.high, abs=1e-7)


def test_without_items_the_paired_interval_says_nothing() -> None:
    interval = paired_difference_interval(gained=0, lost=0, items=0, confidence=0.95)

    assert (interval.low, interval.high) == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("items", "breaks"),
    [(0, -1), (1, -1), (28, -1), (29, 0), (45, 0), (46, 1), (60, 1), (61, 2), (200, 12)],
)
def test_the_most_breaks_that_pass_are_found(items: int, breaks: int) -> None:
    assert largest_passing_breaks(items, 0.10, 0.95) == breaks
    if breaks >= 0:
        assert at_most(breaks, items, 0.10) <= 0.05
    assert at_most(breaks + 1, items, 0.10) > 0.05


def test_items_needed_is_the_smallest_number_that_settles_it() -> None:
    for broke in range(8):
        for reliable in range(broke, 80):
            needed = items_needed(broke, reliable, max_break_rate=0.1, confidence=0.95)
            assert break_rate_bound(broke, reliable + needed, 0.95) <= 0.1
            if needed:
                assert break_rate_bound(broke, reliable + needed - 1, 0.95) > 0.1


def test_fewest_failing_breaks_are_two_and_above_the_limit() -> None:
    assert [fewest_failing_breaks(n, 0.10) for n in (0, 1, 2, 12, 19, 20, 28)] == [
        2, 2, 2, 2, 2, 3, 3,
    ]  # fmt: skip


@pytest.mark.parametrize("items", [29, 50, 200, 440])
def test_a_slice_that_can_pass_notices_its_detectable_rate_four_times_in_five(items: int) -> None:
    rate = detectable_break_rate(items, 0.10, 0.95)

    assert 1 - at_most(largest_passing_breaks(items, 0.10, 0.95), items, rate) == pytest.approx(0.8)


@pytest.mark.parametrize("items", [2, 12, 20, 28])
def test_a_slice_too_small_fails_at_its_detectable_rate_four_times_in_five(items: int) -> None:
    rate = detectable_break_rate(items, 0.10, 0.95)

    assert 1 - at_most(fewest_failing_breaks(items, 0.10) - 1, items, rate) == pytest.approx(0.8)


def test_one_item_or_none_can_show_nothing() -> None:
    assert detectable_break_rate(0, 0.10, 0.95) == 1.0
    assert detectable_break_rate(1, 0.10, 0.95) == 1.0


def test_a_variant_that_truly_breaks_a_tenth_passes_at_most_one_time_in_twenty() -> None:
    for items in (29, 30, 50, 200, 440):
        passing = largest_passing_breaks(items, 0.10, 0.95)
        assert 0.005 < at_most(passing, items, 0.10) <= 0.05


def test_statistics_put_it_together() -> None:
    counted = statistics(
        paired_items(both_right=130, broke=16, fixed=6, same=5, different=4),
        confidence=0.95,
        max_break_rate=0.1,
    )

    assert counted.items == 161
    assert counted.delta == pytest.approx(-10 / 161)
    assert counted.delta_interval.low == pytest.approx(-0.1240, abs=5e-5)
    assert counted.mcnemar_p == pytest.approx(0.052479, abs=5e-7)
    assert counted.break_rate == pytest.approx(16 / 146)
    assert counted.flip_rate == pytest.approx(22 / 161)
    assert counted.break_rate_bound == pytest.approx(break_rate_bound(16, 146, 0.95))


def test_statistics_of_nothing_are_harmless() -> None:
    counted = statistics([], confidence=0.95, max_break_rate=0.1)

    assert (counted.items, counted.reliable, counted.delta) == (0, 0, 0.0)
    assert (counted.break_rate_bound, counted.mcnemar_p) == (1.0, 1.0)
    assert counted.detectable_break_rate == 1.0


@pytest.mark.parametrize(("limit", "confidence"), [(0.0, 0.95), (1.0, 0.95), (0.1, 1.0), (0.1, 0)])
def test_limits_that_nothing_can_meet_or_miss_are_refused(limit: float, confidence: float) -> None:
    with pytest.raises(InputError, match="has to be between 0 and 1"):
        statistics([], confidence=confidence, max_break_rate=limit)
