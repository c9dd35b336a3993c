"""Items that share a cause are less evidence than as many that do not."""

from dataclasses import replace

import pytest

from quantgate.pipelines.domain.run import Grade
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.verdict import Decision, PairedItem
from quantgate.pipelines.evaluation.sampling import together
from quantgate.pipelines.gates.judge import judge
from quantgate.pipelines.gates.slices import judge_slice, judge_whole
from quantgate.pipelines.paired.clusters import effective_items, with_more_items
from quantgate.pipelines.paired.exact import break_rate_bound, largest_passing_breaks, mcnemar_p
from quantgate.pipelines.paired.interval import paired_difference_interval
from quantgate.pipelines.paired.statistics import statistics
from tests.support.verdicts.judging import PASSED_AUDIT, graded, paired_items, run_of, suite_of


def in_groups(items: tuple[PairedItem, ...], size: int) -> tuple[PairedItem, ...]:
    """The items, so many after each other in a group."""
    return tuple(replace(one, group=f"g{index // size}") for index, one in enumerate(items))


def test_equal_groups_count_as_many_as_they_are_and_loners_as_one_each() -> None:
    assert effective_items("aabbcc") == 3
    assert effective_items(range(7)) == 7
    assert effective_items("aaab") == pytest.approx(16 / 10)
    assert effective_items([]) == 0


def test_more_items_of_their_own_add_up_to_what_they_would_be() -> None:
    assert with_more_items(4, effective_items("aaab"), 3) == pytest.approx(
        effective_items("aaabcde")
    )
    assert with_more_items(0, 0.0, 5) == 5


def test_groups_that_break_as_one_have_the_bound_of_as_many_items() -> None:
    # 3 of 15 groups of four, broken whole: Clopper-Pearson of 3 in 15.
    items = in_groups(paired_items(both_right=48, broke=12), 4)
    counted = statistics(items, confidence=0.95, max_break_rate=0.1)

    assert counted.clusters is not None
    assert (counted.clusters.groups, counted.clusters.effective_items) == (15, 15.0)
    assert counted.break_rate_bound == pytest.approx(break_rate_bound(3, 15, 0.95))
    assert counted.delta == pytest.approx(-0.2)
    low = paired_difference_interval(gained=0, lost=3, items=15, confidence=0.95).low
    assert counted.delta_interval.low == pytest.approx(low)
    assert counted.mcnemar_p == mcnemar_p(3, 0)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 10])
@pytest.mark.parametrize("broke", [0, 1, 4, 29, 30])
def test_grouping_never_tightens_a_bound(size: int, broke: int) -> None:
    alone = paired_items(both_right=30 - broke, broke=broke)
    free = statistics(alone, confidence=0.95, max_break_rate=0.1)
    tied = statistics(in_groups(alone, size), confidence=0.95, max_break_rate=0.1)

    assert tied.break_rate_bound >= free.break_rate_bound
    assert tied.break_rate_p >= free.break_rate_p
    assert tied.delta_interval.low <= free.delta_interval.low
    assert tied.delta_lower_bound <= free.delta_lower_bound
    assert tied.accuracy_lower_bound <= free.accuracy_lower_bound
    if size == 1:
        assert tied == free


def test_a_group_named_like_an_item_does_not_swallow_it() -> None:
    items = paired_items(both_right=4)
    tied = (*(replace(one, group="i-3") for one in items[:2]), *items[2:])

    found = statistics(tied, confidence=0.95, max_break_rate=0.1).clusters

    assert found is not None
    assert found.groups == 3


def test_sixty_items_of_twelve_conversations_prove_nothing_and_say_so() -> None:
    policy = Policy()
    items = in_groups(paired_items(both_right=60), 5)
    counted = statistics(items, confidence=0.95, max_break_rate=0.1)

    whole = judge_whole(counted, policy.limits())
    tail = judge_slice("tail", counted, policy.slice_limits("tail"))

    assert whole.decision is Decision.INCONCLUSIVE
    assert "0 of 60 reliably right items broke (0.0 %, bound 22.1 % over 12 groups)" in whole.reason
    assert tail.decision is Decision.UNPROVEN
    more = whole.unbroken_items_needed
    assert break_rate_bound(0, 60 + more, 0.95, with_more_items(60, 12.0, more)) <= 0.1
    assert break_rate_bound(0, 59 + more, 0.95, with_more_items(60, 12.0, more - 1)) > 0.1


def test_the_most_breaks_that_pass_are_fewer_in_groups() -> None:
    assert largest_passing_breaks(200, 0.1, 0.95) == 12
    assert largest_passing_breaks(200, 0.1, 0.95, 50.0) == 5  # five quarters of fifty groups
    assert largest_passing_breaks(60, 0.1, 0.95, 12.0) == -1


def test_groups_of_the_suite_reach_the_verdict() -> None:
    suite = suite_of([()] * 40)
    tied = replace(
        suite,
        items=tuple(replace(one, group=f"g{n // 4}") for n, one in enumerate(suite.items)),
    )
    decisions = [
        judge(
            suite=one,
            policy=Policy(),
            audit=PASSED_AUDIT,
            reference_runs=[run_of(one, ["yes"] * 40)],
            variant_run=run_of(one, ["yes"] * 40, subject="demo"),
        ).decision
        for one in (suite, tied)
    ]

    assert decisions == [Decision.PASS, Decision.INCONCLUSIVE]


def test_several_samples_count_by_majority_and_their_scores_by_the_mean() -> None:
    suite = suite_of([()] * 30)
    base = run_of(suite, ["yes"] * 30)
    sampled = replace(
        base,
        subject="demo",
        answers=tuple(
            together([graded(one.answer.item_id, text) for text in ("yes", "no", "yes")])
            for one in base.answers
        ),
    )

    verdict = judge(
        suite=suite,
        policy=Policy(non_inferiority=0.2),
        audit=PASSED_AUDIT,
        reference_runs=[base],
        variant_run=sampled,
    )

    assert verdict.whole is not None
    counted = verdict.whole.statistics
    assert (counted.broke, counted.delta) == (0, 0.0)
    assert counted.scores is not None
    assert counted.scores.variant_mean == pytest.approx(2 / 3)
    assert counted.scores.delta == pytest.approx(-1 / 3)
    assert counted.variant_tokens == 90
    assert verdict.decision is Decision.FAIL
    assert "mean score changed by \u221233.3 points" in verdict.reasons[0]


def test_partial_scores_are_compared_by_their_means_and_whole_ones_are_not() -> None:
    items = paired_items(both_right=40)
    half = Grade(correct=True, reason="", canonical="", grader="json@1", score=0.5)
    partial = tuple(
        replace(one, variant=replace(one.variant, grade=half)) if index < 10 else one
        for index, one in enumerate(items)
    )

    assert statistics(items, confidence=0.95, max_break_rate=0.1).scores is None
    found = statistics(partial, confidence=0.95, max_break_rate=0.1).scores
    assert found is not None
    assert found.delta == pytest.approx(-0.125)
    assert found.delta_interval.low < found.delta_lower_bound < -0.125 < found.delta_interval.high
