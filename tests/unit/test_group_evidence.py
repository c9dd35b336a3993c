"""Breaks of one group are one break, wherever a decision, a plan or a sentence counts."""

from dataclasses import replace

import pytest

from flows.suite_proofs import proofs
from pipelines.domain.policy import Policy
from pipelines.domain.verdict import Decision, PairedItem
from pipelines.gates.judge import judge
from pipelines.gates.slices import judge_slice, judge_whole
from pipelines.paired.statistics import statistics
from tests.unit.judging_examples import PASSED_AUDIT, paired_items, run_of, suite_of

LIMITS = Policy().limits()


def tied(items: tuple[PairedItem, ...], *groups: str | None) -> tuple[PairedItem, ...]:
    """The last items in these groups; the others in none."""
    first = items[: len(items) - len(groups)]
    last = items[len(items) - len(groups) :]
    return (*first, *(replace(one, group=g) for one, g in zip(last, groups, strict=True)))


def slice_of(items: tuple[PairedItem, ...], *, critical: bool = False) -> Decision:
    counted = statistics(items, confidence=0.95, max_break_rate=0.1)
    return judge_slice("tail", counted, Policy().slice_limits("tail", critical=critical)).decision


@pytest.mark.parametrize(
    ("groups", "decision"),
    [
        ((None, None), Decision.FAIL),
        (("g", "h"), Decision.FAIL),
        (("g", None), Decision.FAIL),
        (("g", "g"), Decision.UNPROVEN),
        (("g", "g", "g"), Decision.UNPROVEN),
        (("g", "g", "h"), Decision.FAIL),
    ],
)
def test_a_small_slice_fails_on_breaks_of_two_groups_and_not_on_two_of_one(
    groups: tuple[str | None, ...], decision: Decision
) -> None:
    items = tied(paired_items(both_right=6, broke=len(groups)), *groups)
    assert slice_of(items) is decision


def test_a_critical_slice_fails_on_any_break() -> None:
    items = tied(paired_items(both_right=6, broke=2), "g", "g")
    assert slice_of(items, critical=True) is Decision.FAIL


def test_the_whole_is_open_where_all_that_broke_is_one_group() -> None:
    """5 of 45 items are 11.1 %, but 1 of 41 groups."""
    items = tied(paired_items(both_right=40, broke=5), *["g"] * 5)
    one_group = judge_whole(statistics(items, confidence=0.95, max_break_rate=0.1), LIMITS)
    assert one_group.decision is Decision.INCONCLUSIVE
    assert "5 of 45 reliably right items broke, all of one group (11.1 %" in one_group.reason
    assert "more unbroken items, each of another group, would settle it" in one_group.reason
    two = tied(paired_items(both_right=40, broke=5), "g", "g", "g", "g", "h")
    assert (
        judge_whole(statistics(two, confidence=0.95, max_break_rate=0.1), LIMITS).decision
        is Decision.FAIL
    )


def test_breaks_without_groups_count_as_ever() -> None:
    counted = statistics(paired_items(both_right=4, broke=2), confidence=0.95, max_break_rate=0.1)
    assert (counted.clusters, counted.broke_apart) == (None, 2)


def test_a_group_that_broke_in_a_slice_does_not_fail_the_variant() -> None:
    suite = suite_of([("tail",)] * 4 + [()] * 60)
    suite = replace(
        suite, items=tuple(replace(i, group="doc") if n < 2 else i for n, i in enumerate(suite.items))
    )  # fmt: skip
    right = run_of(suite, ["yes"] * 64)
    variant = run_of(suite, ["no", "no", *["yes"] * 62], subject="variant")
    verdict = judge(
        suite=suite,
        policy=Policy(),
        audit=PASSED_AUDIT,
        reference_runs=[right],
        variant_run=variant,
    )
    assert verdict.slices[0].decision is Decision.UNPROVEN
    assert verdict.decision is Decision.PASS


def test_the_plan_counts_groups_and_the_limits_of_each_slice() -> None:
    suite = suite_of([("tail",)] * 60)
    suite = replace(
        suite, items=tuple(replace(i, group=f"g{n // 5}") for n, i in enumerate(suite.items))
    )
    whole, tail = proofs(suite, Policy())
    assert (whole.can_pass, tail.can_pass) == (False, False)
    assert (tail.items, tail.groups, tail.size) == (60, 12, "60 in 12 groups")
    assert "each of another group, to be able to pass" in tail.text
    alone = proofs(suite_of([("tail",)] * 60), Policy())[1]
    assert (alone.can_pass, alone.size) == (True, "60")
