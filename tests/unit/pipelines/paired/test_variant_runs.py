"""A variant that answered several times: its breaks count at their rate, and bounds stay exact."""

from collections.abc import Sequence
from dataclasses import replace

import numpy
import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.verdict import (
    Decision,
    PairedStatistics,
    PairOutcome,
    Verdict,
)
from quantgate.pipelines.gates.judge import judge
from quantgate.pipelines.paired.exact import break_rate_bound
from quantgate.pipelines.paired.pairing import pair
from quantgate.pipelines.paired.statistics import statistics
from tests.support.verdicts.judging import PASSED_AUDIT, repeat_of, run_of, suite_of

SUITE = suite_of([("a",)] * 60)
RIGHT = ["yes"] * 60
BASE = run_of(SUITE, RIGHT)


def runs_of(*wrong: Sequence[int]) -> tuple[Run, ...]:
    """Runs of one variant, each wrong on these items."""
    texts = [["no" if index in each else "yes" for index in range(60)] for each in wrong]
    return tuple(
        run_of(SUITE, answers, subject="demo--Q2_K", order_seed=seed)
        for seed, answers in enumerate(texts)
    )


def counted(*wrong: Sequence[int]) -> PairedStatistics:
    first, *repeats = runs_of(*wrong)
    items = pair(suite=SUITE, reference_runs=[BASE], variant=first, variant_repeats=repeats)
    return statistics(items, confidence=0.95, max_break_rate=0.1)


def verdict(*wrong: Sequence[int], policy: Policy | None = None) -> Verdict:
    first, *repeats = runs_of(*wrong)
    return judge(
        suite=SUITE,
        policy=policy or Policy(variant_runs=len(wrong)),
        audit=PASSED_AUDIT,
        reference_runs=[BASE],
        variant_run=first,
        variant_repeats=repeats,
    )


def test_rates_are_means_and_bounds_are_the_worst_runs() -> None:
    both = counted([0], [0, 1, 2], [0, 3])
    assert both.runs is not None
    assert (both.runs.broke, both.runs.right, both.runs.unstable) == ((1, 3, 2), (59, 57, 58), 3)
    assert both.break_rate == pytest.approx(2 / 60)
    assert both.variant_accuracy == pytest.approx(58 / 60)
    assert both.delta == pytest.approx(-2 / 60)
    assert (both.broke, both.reliable) == (3, 60)
    assert both.break_rate_bound == break_rate_bound(3, 60, 0.95)
    worst = counted([0, 1, 2])
    assert both.delta_lower_bound == worst.delta_lower_bound
    assert both.accuracy_lower_bound == worst.accuracy_lower_bound
    assert both.break_rate_p == worst.break_rate_p


def test_runs_that_agree_count_as_one() -> None:
    once, thrice = counted([4, 5]), counted([4, 5], [4, 5], [4, 5])
    assert replace(thrice, runs=None) == once


def test_an_item_that_breaks_in_any_run_is_shown_as_it_broke() -> None:
    first, *repeats = runs_of([], [7])
    items = pair(suite=SUITE, reference_runs=[BASE], variant=first, variant_repeats=repeats)
    assert [item.item_id for item in items if item.outcome is PairOutcome.BROKE] == ["i-7"]
    assert items[7].variant.answer.text == "no"
    assert [graded.grade.correct for graded in items[7].variant_runs] == [True, False]
    assert [item.item_id for item in items if not item.variant_stable] == ["i-7"]


@pytest.mark.parametrize(
    ("wrong", "decision"),
    [
        (([0], [], []), Decision.PASS),
        (([], [], range(4)), Decision.INCONCLUSIVE),  # the worst run's bound is above the limit
        ((range(7), [], []), Decision.INCONCLUSIVE),  # and so is one run's rate, but not the mean
        ((range(7), range(7), range(7)), Decision.FAIL),
    ],
)
def test_it_passes_by_its_worst_run_and_fails_by_its_mean(
    wrong: tuple[Sequence[int], ...], decision: Decision
) -> None:
    assert verdict(*wrong).decision is decision


def test_what_was_counted_is_said() -> None:
    reasons = verdict([0], [0, 1], [2]).reasons
    assert "1.3 of 60 reliably right items broke, 1, 2 and 1 in its runs (2.2 %," in reasons[0]


def test_a_critical_slice_tolerates_a_break_in_no_run() -> None:
    policy = Policy(variant_runs=2, critical_slices=("a",))
    assert verdict([], [9], policy=policy).decision is Decision.FAIL
    assert verdict([], [], policy=policy).decision is Decision.PASS


@pytest.mark.parametrize("asked", [1, 3])
def test_another_number_of_runs_than_the_policy_asks_for_is_refused(asked: int) -> None:
    with pytest.raises(InputError, match=rf"variant_runs of the policy is {asked}, .* are 2"):
        verdict([0], [1], policy=Policy(variant_runs=asked))


def test_a_run_that_is_named_twice_is_refused() -> None:
    first, _ = runs_of([0], [1])
    with pytest.raises(InputError, match="a run of the variant is listed twice"):
        pair(suite=SUITE, reference_runs=[BASE], variant=first, variant_repeats=[first])


def test_repeats_of_other_weights_are_refused() -> None:
    first, second = runs_of([0], [1])
    other = replace(second, subject_digest=BASE.subject_digest)
    with pytest.raises(InputError, match="repeat 1 of the variant was answered by other weights"):
        pair(suite=SUITE, reference_runs=[BASE], variant=first, variant_repeats=[other])


def test_items_that_the_base_is_unsure_of_do_not_count_in_any_run() -> None:
    first, *repeats = runs_of([0], [1])
    items = pair(
        suite=SUITE,
        reference_runs=[BASE, repeat_of(BASE, seed=1, wrong=[0, 1])],
        variant=first,
        variant_repeats=repeats,
    )
    both = statistics(items, confidence=0.95, max_break_rate=0.1)
    assert (both.broke, both.reliable, both.break_rate) == (0, 58, 0.0)


@pytest.mark.parametrize("noise", [0.0, 0.5, 1.0])
def test_the_bound_is_below_the_true_rate_in_at_most_a_twentieth_of_suites(noise: float) -> None:
    """At a true rate of 10 %, however much of it is the variant's own noise; each draw is a suite of 60."""
    random = numpy.random.default_rng(7)
    draws, items, runs, rate = 4000, 60, 3, 0.1
    share = rate if noise == 0 else (1 - noise) * rate
    always = random.random((draws, items, 1)) < share
    waver = random.random((draws, items, runs)) < (rate - share) / (1 - share)
    most = (always | waver).sum(axis=1).max(axis=1)
    bounds = {int(count): break_rate_bound(int(count), items, 0.95) for count in numpy.unique(most)}
    missed = numpy.mean([bounds[int(count)] < rate for count in most])
    assert missed <= 0.05


def test_a_run_whose_scores_are_all_whole_is_not_left_out_beside_a_graded_one() -> None:
    """Its lower bound is the worst of all, and a rule on scores has to see it."""
    first, second = runs_of([0], range(20))
    answers = list(first.answers)
    answers[0] = replace(answers[0], grade=replace(answers[0].grade, score=0.5))
    graded = replace(first, answers=tuple(answers))
    items = pair(suite=SUITE, reference_runs=[BASE], variant=graded, variant_repeats=[second])
    both = statistics(items, confidence=0.95, max_break_rate=0.1)
    assert both.scores is not None
    assert both.scores.delta == pytest.approx((-0.5 / 60 - 20 / 60) / 2)
    assert both.scores.delta_lower_bound < -20 / 60


def test_the_interval_holds_the_mean_change() -> None:
    both = counted(range(20), [], [])
    assert both.delta_interval.low < both.delta < both.delta_interval.high
