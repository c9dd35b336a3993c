"""The numbers agree with published tables, with hand computation, and with common sense at the edges."""

from math import comb

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.paired.exact import (
    break_rate_bound,
    break_rate_p,
    detectable_break_rate,
    fewest_failing_breaks,
    items_needed,
    largest_passing_breaks,
    mcnemar_p,
    share_lower_bound,
)
from quantgate.pipelines.paired.family import holm
from quantgate.pipelines.paired.interval import difference_lower_bound, paired_difference_interval
from quantgate.pipelines.paired.scores import mean_difference_limits
from quantgate.pipelines.paired.statistics import statistics
from tests.support.verdicts.judging import paired_items
from tests.support.verdicts.newcombe import newcombe_interval


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
        # One-sided 95 %: the sizes docs/verdicts.md promises (30 without a break, 50 with one).
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


@pytest.mark.parametrize(
    ("breaks", "items", "low", "high"),
    [
        # statsmodels 0.15.0, proportion_confint(breaks, items, alpha=0.10, method="beta").
        (0, 30, 0.0, 0.09503385285530414),
        (1, 50, 0.0010253398672320636, 0.09139813071969738),
        (3, 41, 0.02023978708481503, 0.1783953555392591),
        (40, 400, 0.07634953364570246, 0.1281812320507177),
        (97, 100, 0.92428920625017, 0.9917741708923473),
    ],
)
def test_both_bounds_agree_with_statsmodels(
    breaks: int, items: int, low: float, high: float
) -> None:
    assert break_rate_bound(breaks, items, 0.95) == pytest.approx(high, abs=1e-12)
    assert share_lower_bound(breaks, items, 0.95) == pytest.approx(low, abs=1e-12)


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3])
def test_the_p_value_is_small_exactly_where_the_bound_is_within_the_limit(rate: float) -> None:
    for items in (5, 28, 29, 46, 130):
        for broke in range(items + 1):
            p = break_rate_p(broke, items, rate)
            assert p == pytest.approx(at_most(broke, items, rate) if broke < items else 1.0)
            assert (p <= 0.05) == (break_rate_bound(broke, items, 0.95) <= rate)


def test_holm_agrees_with_statsmodels_and_keeps_the_order() -> None:
    # statsmodels 0.15.0, multipletests(p, method="holm").
    found = holm([0.01, 0.04, 0.03, 0.005, 0.5, 0.04])
    assert found == pytest.approx((0.05, 0.12, 0.12, 0.03, 0.5, 0.12))
    assert holm([]) == ()
    assert holm([0.7, 0.9]) == (1.0, 1.0)


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
        # statsmodels 0.15.0, mcnemar(table, exact=True).
        (40, 31, 0.34247099841986794),
        (0, 9, 0.00390625),
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


def test_one_more_gained_or_one_less_lost_never_lowers_a_bound() -> None:
    for items, share in ((5, 1.0), (16, 1.0), (12, 0.37)):
        for confidence in (0.6, 0.95):
            bounds = {
                (gained, lost): difference_lower_bound(
                    gained=gained * share,
                    lost=lost * share,
                    items=items * share,
                    confidence=confidence,
                )
                for lost in range(items + 1)
                for gained in range(items - lost + 1)
            }
            for (gained, lost), bound in bounds.items():
                assert bounds.get((gained + 1, lost), 1.0) >= bound - 1e-9
                assert bounds.get((gained, lost - 1), 1.0) >= bound - 1e-9


def test_a_one_sided_bound_is_the_end_of_the_two_sided_interval_of_twice_the_risk() -> None:
    for gained, lost in ((0, 0), (3, 1), (0, 9), (9, 0), (4, 4)):
        interval = paired_difference_interval(gained=gained, lost=lost, items=30, confidence=0.90)
        bound = difference_lower_bound(gained=gained, lost=lost, items=30, confidence=0.95)
        assert bound == pytest.approx(interval.low, abs=1e-9)


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [
        # (both right, lost, gained, both wrong). Altman et al., Statistics with Confidence (2000), table
        # 6.2, with its published two digits; Bentur 2009 as above.
        ((14, 0, 5, 22), 0.01, 0.23),
        ((1, 7, 1, 12), -0.507, -0.026),
    ],
)
def test_the_comparison_interval_of_newcombe_agrees_with_published_examples(
    table: tuple[int, int, int, int], low: float, high: float
) -> None:
    right, lost, gained, wrong = table
    found = newcombe_interval(
        both_right=right, lost=lost, gained=gained, both_wrong=wrong, confidence=0.95
    )
    assert found == pytest.approx((low, high), abs=5e-3 if low > 0 else 5e-4)


@pytest.mark.parametrize(("lost", "gained"), [(0, 0), (5, 0), (6, 16), (20, 20), (1, 12)])
def test_tango_and_newcombe_say_nearly_the_same(lost: int, gained: int) -> None:
    ours = paired_difference_interval(gained=gained, lost=lost, items=200, confidence=0.95)
    low, high = newcombe_interval(
        both_right=150 - lost, lost=lost, gained=gained, both_wrong=50 - gained, confidence=0.95
    )
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=0.02)


def test_limits_of_scores_are_clopper_and_pearsons_where_scores_are_whole() -> None:
    for lost, items in ((0, 5), (0, 30), (1, 50), (5, 200)):
        limits = mean_difference_limits(
            [-1.0] * lost + [0.0] * (items - lost), range(items), confidence=0.95
        )
        exact = -break_rate_bound(lost, items, 0.95)
        assert exact * 1.06 <= limits.lower_bound <= exact  # by resampling: a little more cautious


def test_limits_of_scores_are_wider_for_groups_and_mirror_each_other() -> None:
    scores = [-0.5, 0.25, 0.0, 0.0, 1.0, -0.25] * 5
    alone = mean_difference_limits(scores, range(30), confidence=0.95)
    tied = mean_difference_limits(sorted(scores), [n // 5 for n in range(30)], confidence=0.95)
    mirrored = mean_difference_limits([-s for s in scores], range(30), confidence=0.95)

    assert tied.interval.low < alone.interval.low < alone.lower_bound
    assert alone.interval.high < tied.interval.high
    assert mirrored.interval.low == pytest.approx(-alone.interval.high)
    assert mirrored.interval.high == pytest.approx(-alone.interval.low)


def test_one_better_score_never_lowers_a_limit_of_scores() -> None:
    scores = [0.0, -1.0, 0.5, -0.25] * 6
    before = mean_difference_limits(scores, range(24), confidence=0.8)
    for place in range(4):
        better = [*scores]
        better[place] = min(1.0, better[place] + 0.3)
        after = mean_difference_limits(better, range(24), confidence=0.8)
        assert after.lower_bound >= before.lower_bound
        assert after.interval.high >= before.interval.high


def test_without_scores_nothing_is_known_of_their_mean() -> None:
    limits = mean_difference_limits([], [], confidence=0.95)

    assert (limits.interval.low, limits.interval.high, limits.lower_bound) == (-1.0, 1.0, -1.0)


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
