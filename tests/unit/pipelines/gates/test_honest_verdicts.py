"""The table that `make bench BENCH=verdicts` prints holds what is wanted of it, with fixed seeds."""

from collections.abc import Callable, Iterable

import pytest

from quantgate.pipelines.domain.verdicts.verdict import Decision
from tests.benchmarks.measuring.searched import search_rates
from tests.benchmarks.measuring.simulated import clustered_pass_rates, decisions, pass_rate
from tests.benchmarks.verdicts import counted_rows, resampled_rows

LEAST_ABOUT_95 = 0.93
"""What is left to an approximate interval on fifty items."""


def misses(rows: Iterable[tuple[str, float, str]]) -> list[str]:
    """Lines of the table that are not as wanted."""
    held: dict[str, Callable[[float], bool]] = {
        "": lambda share: True,
        "<= 5": lambda share: share <= 0.05,
        ">= 95": lambda share: share >= 0.95,
        "about 95": lambda share: share >= LEAST_ABOUT_95,
    }
    return [f"{what}: {share}" for what, share, wanted in rows if not held[wanted](share)]


def test_false_passes_are_rare_planted_damage_is_noticed_and_intervals_hold_the_truth() -> None:
    assert misses(counted_rows()) == []


@pytest.mark.slow
def test_limits_by_resampling_hold_the_truth() -> None:
    assert misses(resampled_rows()) == []


@pytest.mark.slow
@pytest.mark.parametrize("together", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("recipes", "good"), [(1, 0), (8, 0), (8, 4), (20, 10), (20, 19)])
def test_a_search_errs_in_no_more_than_a_single_verdict(
    recipes: int, good: int, together: float
) -> None:
    rates = search_rates(recipes, good, 400, together=together, trials=5_000)

    assert rates.shared <= 0.05


def test_simulated_rates_are_those_of_the_binomial_distribution() -> None:
    # P(X <= 1 | 50, 0.1) and P(X <= 0 | 30, 0.1), written out; three standard errors of 20,000 trials.
    assert pass_rate(50, 0.10) == pytest.approx(0.9**50 + 50 * 0.1 * 0.9**49, abs=0.004)
    assert pass_rate(30, 0.10) == pytest.approx(0.9**30, abs=0.005)
    assert pass_rate(50, 0.02) == pytest.approx(0.98**50 + 50 * 0.02 * 0.98**49, abs=0.01)


def test_exactly_one_item_in_ten_broken_never_passes() -> None:
    for items in (30, 50, 200):
        assert decisions(items)[items // 10] is Decision.INCONCLUSIVE
        assert decisions(items)[items // 10 + 1] is Decision.FAIL


def test_ignoring_groups_would_be_dishonest() -> None:
    judged, naive = clustered_pass_rates((5,) * 40, 1.0, 0.10)

    assert judged <= 0.05 < naive
