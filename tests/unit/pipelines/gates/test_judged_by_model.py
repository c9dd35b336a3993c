"""A judge model's verdicts decide only as far as people's labels on the variant's answers carry them."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.run import Facet, GradedAnswer, Run
from quantgate.pipelines.domain.suites.anchor import AnchorLabel, answer_digest
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.verdict import Decision, Verdict
from quantgate.pipelines.gates.judge import judge
from quantgate.pipelines.gates.judged_by_model import RULE
from tests.support.verdicts.judging import PASSED_AUDIT, run_of, suite_of

PASS, FAIL, OPEN, UNPROVEN = (
    Decision.PASS,
    Decision.FAIL,
    Decision.INCONCLUSIVE,
    Decision.UNPROVEN,
)


def by_judge(run: Run, items: Sequence[int] | None = None) -> Run:
    """The same run, with these items (all without it) graded by a judge model."""

    def graded(index: int, one: GradedAnswer) -> GradedAnswer:
        if items is not None and index not in items:
            return one
        facet = Facet(name="judge", score=one.grade.score)
        return replace(one, grade=replace(one.grade, grader="judge@1", facets=(facet,)))

    return replace(run, answers=tuple(graded(index, one) for index, one in enumerate(run.answers)))


def labels(suite: Suite, texts: Sequence[str], right: Sequence[bool | None]) -> Suite:
    """The suite with a label of every answer that `right` does not leave out."""
    return replace(
        suite,
        anchors=tuple(
            AnchorLabel(item_id=item.id, answer_digest=answer_digest(text), right=said)
            for item, text, said in zip(suite.items, texts, right, strict=True)
            if said is not None
        ),
    )


def judged(
    suite: Suite,
    texts: Sequence[str],
    policy: Policy | None = None,
    items: Sequence[int] | None = None,
) -> Verdict:
    """The verdict where the reference is always right and a judge grades `items`."""
    return judge(
        suite=suite,
        policy=policy or Policy(),
        audit=PASSED_AUDIT,
        reference_runs=[by_judge(run_of(suite, ["yes"] * len(texts)), items)],
        variant_run=by_judge(run_of(suite, texts, subject="demo--Q4"), items),
    )


def test_without_labels_a_judge_proves_neither_a_pass_nor_a_fail() -> None:
    suite = suite_of([("s",)] * 60)

    assert judged(suite, ["yes"] * 60).decision is OPEN
    broken = judged(suite, ["no"] * 30 + ["yes"] * 30)
    assert broken.decision is OPEN
    assert "only 0 of 60 answers have a person's label" in " ".join(broken.reasons)


def test_with_labels_that_agree_it_passes_and_fails() -> None:
    suite = suite_of([("s",)] * 120)
    sound = ["yes"] * 120
    found = judged(labels(suite, sound, [True] * 120), sound)
    assert found.decision is PASS
    assert found.judge is not None
    assert found.judge.labels == 120

    damaged = ["no"] * 30 + ["yes"] * 90
    assert judged(labels(suite, damaged, [False] * 30 + [True] * 90), damaged).decision is FAIL


def test_a_judge_that_people_contradict_does_not_pass_a_variant() -> None:
    suite = suite_of([("s",)] * 120)
    sound = ["yes"] * 120  # in the judge's eyes

    found = judged(labels(suite, sound, [False] * 30 + [True] * 90), sound)

    assert found.decision is FAIL
    assert found.judge is not None
    assert found.judge.break_rate is not None
    assert found.judge.break_rate.judged == 0.0
    assert found.judge.break_rate.corrected == pytest.approx(0.25)


def test_what_a_judge_breaks_and_people_call_right_does_not_fail_a_variant() -> None:
    suite = suite_of([("s",)] * 120)
    harsh = ["no"] * 30 + ["yes"] * 90

    assert judged(labels(suite, harsh, [True] * 120), harsh).decision is PASS


def test_labels_of_other_answers_count_for_nothing() -> None:
    suite = suite_of([("s",)] * 60)
    stale = labels(suite, ["another text"] * 60, [True] * 60)

    found = judged(stale, ["yes"] * 60)

    assert found.decision is OPEN
    assert found.judge is not None
    assert found.judge.stale_labels == 60


def test_items_of_other_graders_fail_by_themselves_whatever_a_judge_says() -> None:
    suite = suite_of([("s",)] * 60)
    texts = ["no"] * 20 + ["yes"] * 40

    assert judged(suite, texts, items=range(20, 60)).decision is FAIL
    assert judged(suite, texts, items=range(60)).decision is OPEN


def test_both_strata_are_weighed_by_their_items() -> None:
    suite = suite_of([("s",)] * 300)
    texts = ["yes"] * 300
    labelled = labels(suite, texts, [True] * 150 + [None] * 150)

    found = judged(labelled, texts, items=range(150))

    rule = next(one for one in found.whole.rules if one.rule == RULE) if found.whole else None
    assert rule is not None
    assert rule.decision is PASS
    assert "corrected by 150 labels" in rule.reason


def test_a_slice_without_labels_enough_is_unproven_and_does_not_block() -> None:
    suite = suite_of([("big",)] * 110 + [("big", "small")] * 10)
    texts = ["yes"] * 120
    labelled = labels(suite, texts, [True] * 110 + [None] * 10)

    found = judged(labelled, texts)

    assert [one.decision for one in found.slices] == [PASS, UNPROVEN]
    assert found.decision is PASS


def test_accuracies_that_a_judge_counted_are_not_held_against_a_policy() -> None:
    suite = suite_of([("s",)] * 120)
    texts = ["yes"] * 120

    found = judged(labels(suite, texts, [True] * 120), texts, Policy(min_accuracy=0.5))

    assert found.decision is OPEN


def test_holm_is_refused_where_a_judge_grades() -> None:
    with pytest.raises(InputError, match="family_wise: holm"):
        judged(suite_of([("s",)] * 10), ["yes"] * 10, Policy(family_wise="holm"))


def test_a_break_in_a_critical_slice_is_never_waved_through_for_want_of_labels() -> None:
    suite = suite_of([("s", "vital")] * 10 + [("s",)] * 110, critical=("vital",))
    counted = ["no"] + ["yes"] * 119
    labelled = labels(suite, counted, [None] * 10 + [True] * 110)

    exact = judged(labelled, counted, items=range(5, 120))
    by_the_judge = judged(labelled, counted, items=range(120))

    def vital(verdict: Verdict) -> Decision:
        return next(one.decision for one in verdict.slices if one.name == "vital")

    assert vital(exact) is FAIL
    assert exact.decision is FAIL
    assert vital(by_the_judge) is OPEN
    assert by_the_judge.decision is OPEN
