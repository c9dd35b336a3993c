"""Breaks of one group are one break, wherever a decision, a plan or a sentence counts."""

from dataclasses import replace
from typing import Any

import pytest

from quantgate.pipelines.authoring.proofs import proofs
from quantgate.pipelines.domain.run import Facet
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.verdict import Decision, PairedItem, SliceVerdict
from quantgate.pipelines.gates.judge import judge
from quantgate.pipelines.gates.slices import judge_slice, judge_whole
from quantgate.pipelines.paired.statistics import statistics
from tests.support.verdicts.judging import PASSED_AUDIT, paired_items, run_of, suite_of

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


def judged_slice(
    items: tuple[PairedItem, ...], *, by_scores: bool = False, **limits: float
) -> SliceVerdict:
    own = replace(LIMITS, **limits)  # type: ignore[arg-type]  # keys are those of limits
    counted = statistics(items, confidence=0.95, max_break_rate=0.1, by_scores=by_scores)
    return judge_slice("tail", counted, own)


@pytest.mark.parametrize("rule", [{"non_inferiority": 0.02}, {"min_accuracy": 0.9}])
@pytest.mark.parametrize(
    ("groups", "decision"),
    [
        ((None,), Decision.INCONCLUSIVE),
        (("g",), Decision.INCONCLUSIVE),
        (("g", "g"), Decision.INCONCLUSIVE),
        (("g", "g", "g"), Decision.INCONCLUSIVE),
        (("g", "h"), Decision.FAIL),
        (("g", "g", "h"), Decision.FAIL),
        ((None, None), Decision.FAIL),
    ],
)
def test_a_margin_and_a_least_accuracy_fail_a_small_slice_on_two_groups_and_not_on_one(
    rule: dict[str, Any], groups: tuple[str | None, ...], decision: Decision
) -> None:
    items = tied(paired_items(both_right=6, broke=len(groups)), *groups)
    found = judged_slice(items, **rule)
    assert found.decision is decision
    assert found.rules[0].decision is decision
    if decision is Decision.INCONCLUSIVE:
        cause = "group" if len(groups) > 1 else "item"
        assert found.reason.endswith(f"by what one {cause} did: too few items to show that")


def test_a_margin_on_scores_counts_groups_alike() -> None:
    for groups, decision in ((("g", "g"), Decision.INCONCLUSIVE), (("g", "h"), Decision.FAIL)):
        items = tied(paired_items(both_right=6, broke=2), *groups)
        assert judged_slice(items, by_scores=True, non_inferiority=0.02).decision is decision


def test_what_unstable_items_lost_counts_for_the_margin_as_it_does_for_the_accuracy() -> None:
    """The difference is over all items: two that broke, one of them unstable, are two groups' losses."""
    items = paired_items(both_right=6, broke=2)
    items = (*items[:-1], replace(items[-1], stable=False))
    found = judged_slice(items, non_inferiority=0.02)
    assert (found.statistics.broke, found.statistics.lost_groups) == (1, 2)
    assert found.rules[0].decision is Decision.FAIL


def test_items_that_the_base_gets_wrong_as_well_count_for_the_least_accuracy() -> None:
    wrong = tied(paired_items(both_right=6, same=4), *["g"] * 4)
    apart = tied(paired_items(both_right=6, same=4), "g", "g", "g", "h")
    assert judged_slice(wrong, min_accuracy=0.9).rules[0].decision is Decision.INCONCLUSIVE
    assert judged_slice(apart, min_accuracy=0.9).rules[0].decision is Decision.FAIL


@pytest.mark.parametrize("rule", [{"non_inferiority": 0.05}, {"min_accuracy": 0.95}])
def test_rules_of_the_whole_are_open_where_one_group_lost_all(rule: dict[str, Any]) -> None:
    limits = replace(LIMITS, **rule)

    def whole(*groups: str | None) -> SliceVerdict:
        items = tied(paired_items(both_right=40, broke=5), *groups)
        return judge_whole(statistics(items, confidence=0.95, max_break_rate=0.1), limits)

    assert whole(*["g"] * 5).rules[0].decision is Decision.INCONCLUSIVE
    assert whole(*["g"] * 4, "h").rules[0].decision is Decision.FAIL
    assert whole(*[None] * 5).rules[0].decision is Decision.FAIL


def test_refusals_of_one_group_are_one() -> None:
    def told(item: PairedItem, refused: bool) -> PairedItem:
        facet = (Facet(name="refused", score=float(refused)),)
        after = replace(item.variant, grade=replace(item.variant.grade, facets=facet))
        before = replace(item.reference.grade, facets=(Facet(name="refused", score=0.0),))
        return replace(item, variant=after, reference=replace(item.reference, grade=before))

    items = tied(paired_items(both_right=10), "g", "g", "g")
    refused = tuple(told(item, item.group == "g") for item in items)
    apart = (*refused[:-1], replace(refused[-1], group="h"))
    most: dict[str, Any] = {"max_refusal_rate_increase": 0.05}
    assert judged_slice(refused, **most).rules[0].decision is Decision.INCONCLUSIVE
    assert judged_slice(apart, **most).rules[0].decision is Decision.FAIL


@pytest.mark.parametrize("groups", [("g", "g", "g"), ("g", "g", "h"), (None, None, None)])
@pytest.mark.parametrize("rule", [{"non_inferiority": 0.02}, {"min_accuracy": 0.9}])
def test_one_more_lost_item_never_betters_a_decision(
    rule: dict[str, Any], groups: tuple[str | None, ...]
) -> None:
    order = (Decision.FAIL, Decision.INCONCLUSIVE, Decision.UNPROVEN, Decision.PASS)
    items = tied(paired_items(both_right=9, broke=0), *groups)
    lost = tied(paired_items(both_right=6, broke=3), *groups)
    ranks = [
        order.index(judged_slice((*items[: 9 - broke], *lost[9 - broke :]), **rule).decision)
        for broke in range(4)
    ]
    assert ranks == sorted(ranks, reverse=True)
