"""What a policy may add: margins, least accuracy, critical items, length, refusals, families."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from quantgate.pipelines.domain.run import Facet, GradedAnswer, Run
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.verdicts.policy import Policy, SlicePolicy
from quantgate.pipelines.domain.verdicts.verdict import Decision, Verdict
from quantgate.pipelines.files.records import from_json, to_json
from quantgate.pipelines.gates.family import family_p, within_family
from quantgate.pipelines.gates.judge import audit_failure, judge
from tests.support.verdicts.judging import MISSED_AUDIT, PASSED_AUDIT, run_of, suite_of

PASS, FAIL, INCONCLUSIVE = Decision.PASS, Decision.FAIL, Decision.INCONCLUSIVE


def judged(
    policy: Policy, variant: Run, *, suite: Suite, reference: Sequence[str] | Run = ()
) -> Verdict:
    base = (
        reference
        if isinstance(reference, Run)
        else run_of(suite, reference or ["yes"] * len(suite.items))
    )
    return judge(
        suite=suite,
        policy=policy,
        audit=PASSED_AUDIT,
        reference_runs=[base],
        variant_run=variant,
    )


def verdict(policy: Policy, broke: int, items: int = 100) -> Verdict:
    """A variant that breaks this many items of a suite with one slice of ten items."""
    suite = suite_of([("s",)] * 10 + [()] * (items - 10))
    texts = ["yes"] * (items - broke) + ["no"] * broke
    return judged(policy, run_of(suite, texts, subject=f"demo--{broke}"), suite=suite)


def rule(found: Verdict, name: str) -> tuple[Decision, str]:
    assert found.whole is not None
    one = next(one for one in found.whole.rules if one.rule == name)
    return one.decision, one.reason


@pytest.mark.parametrize(
    ("broke", "margin", "decision"),
    [
        # Tango's one-sided 95 % lower bounds: -2.6 points of 0/100, -4.4 of 1/100, -5.9 of 2/100.
        (0, 0.03, PASS),
        (0, 0.02, INCONCLUSIVE),
        (1, 0.05, PASS),
        (1, 0.04, INCONCLUSIVE),
        (2, 0.06, PASS),
        (2, 0.02, INCONCLUSIVE),
        (2, 0.019, FAIL),
    ],
)
def test_a_margin_passes_by_the_lower_bound_and_fails_by_what_was_lost(
    broke: int, margin: float, decision: Decision
) -> None:
    found = verdict(Policy(non_inferiority=margin), broke)

    assert rule(found, "non_inferiority")[0] is decision
    assert found.decision is decision


def test_a_margin_says_its_numbers_and_rounds_against_the_variant() -> None:
    found = verdict(Policy(non_inferiority=0.02), 1)

    assert rule(found, "non_inferiority")[1] == (
        "the whole suite: accuracy changed by \u22121.0 points (lower bound \u22124.4 points):"
        " too few items to show the margin of 2 points"
    )
    assert found.reasons[0].startswith("the whole suite: accuracy changed")


@pytest.mark.parametrize(
    ("least", "decision"), [(0.92, PASS), (0.95, INCONCLUSIVE), (0.98, INCONCLUSIVE), (0.99, FAIL)]
)
def test_the_least_accuracy_passes_by_its_bound_and_fails_by_what_was_seen(
    least: float, decision: Decision
) -> None:
    # 98 of 100: Clopper-Pearson's one-sided lower bound is 93.8 %.
    assert rule(verdict(Policy(min_accuracy=least), 2), "min_accuracy")[0] is decision


def long(graded: GradedAnswer, tokens: int) -> GradedAnswer:
    return replace(graded, answer=replace(graded.answer, token_ids=(1,) * tokens))


@pytest.mark.parametrize(("tokens", "decision"), [(11, PASS), (12, PASS), (13, FAIL)])
def test_answers_that_grow_too_long_fail(tokens: int, decision: Decision) -> None:
    suite = suite_of([()] * 40)
    base = run_of(suite, ["yes"] * 40)
    base = replace(base, answers=tuple(long(one, 10) for one in base.answers))
    variant = replace(
        base, subject="demo", answers=tuple(long(one, tokens) for one in base.answers)
    )

    found = judged(Policy(max_verbosity_ratio=1.2), variant, suite=suite, reference=base)

    assert found.decision is decision
    assert f"take {tokens / 10:.2f} times" in rule(found, "max_verbosity_ratio")[1]


def refusing(run: Run, refused: int) -> Run:
    """The run in which the first answers are told to be refusals and the others not."""
    return replace(
        run,
        answers=tuple(
            replace(
                one,
                grade=replace(
                    one.grade, facets=(Facet(name="refused", score=float(index < refused)),)
                ),
            )
            for index, one in enumerate(run.answers)
        ),
    )


@pytest.mark.parametrize(
    ("refused", "most", "decision"),
    [
        # Tango's one-sided 95 % upper bounds: 2.6 points of 0 more in 100, 4.4 of 1 more.
        (10, 0.03, PASS),
        (11, 0.045, PASS),
        (11, 0.04, INCONCLUSIVE),
        (15, 0.05, INCONCLUSIVE),
        (16, 0.05, FAIL),
    ],
)
def test_more_refusals_than_allowed_fail(refused: int, most: float, decision: Decision) -> None:
    suite = suite_of([()] * 100)
    base = run_of(suite, ["yes"] * 100)
    policy = Policy(max_refusal_rate_increase=most)
    variant = refusing(replace(base, subject="demo"), refused)

    found = judged(policy, variant, suite=suite, reference=refusing(base, 10))

    assert found.decision is decision


def test_refusals_that_no_grader_tells_are_not_held_to_a_limit() -> None:
    found = verdict(Policy(max_refusal_rate_increase=0.05), 0)

    assert found.decision is INCONCLUSIVE
    assert "no grader tells refusals" in found.reasons[0]


def test_a_critical_item_that_breaks_fails_the_variant_and_is_named() -> None:
    suite = suite_of([()] * 100)
    suite = replace(
        suite,
        items=tuple(
            replace(item, critical=item.id in ("i-3", "i-7", "i-99")) for item in suite.items
        ),
    )
    texts = ["yes"] * 100
    sound = judged(Policy(), run_of(suite, texts, subject="demo"), suite=suite)
    texts[7] = texts[20] = "no"
    broken = judged(Policy(), run_of(suite, texts, subject="demo"), suite=suite)

    assert sound.decision is PASS
    assert rule(sound, "critical")[1] == "none of 3 critical items broke"
    assert broken.decision is FAIL
    assert broken.reasons[0] == "critical item broke: i-7"


def test_a_critical_item_that_the_reference_gets_wrong_cannot_break() -> None:
    suite = suite_of([()] * 60)
    suite = replace(suite, items=(replace(suite.items[0], critical=True), *suite.items[1:]))
    reference = ["no", *["yes"] * 59]

    found = judged(
        Policy(), run_of(suite, reference, subject="demo"), suite=suite, reference=reference
    )

    assert found.decision is PASS
    assert rule(found, "critical")[1] == "none of 0 critical items broke"


def test_a_slice_has_limits_of_its_own() -> None:
    suite = suite_of([("tail",)] * 60 + [()] * 40)
    texts = ["no"] * 2 + ["yes"] * 98
    variant = run_of(suite, texts, subject="demo")

    def with_tail(**own: float | bool) -> Decision:
        policy = Policy(slices=(SlicePolicy(name="tail", **own),))  # type: ignore[arg-type]
        return judged(policy, variant, suite=suite).decision

    assert judged(Policy(), variant, suite=suite).decision is INCONCLUSIVE  # 2 of 60: bound 10.1 %
    assert with_tail(max_break_rate=0.11) is PASS
    assert with_tail(max_break_rate=0.04) is PASS  # unproven: 60 items cannot show four percent …
    assert with_tail(max_break_rate=0.03) is FAIL  # … but two breaks are evidence against three
    assert with_tail(confidence=0.9) is PASS
    assert with_tail(critical=True) is FAIL
    assert with_tail(max_break_rate=0.11, min_accuracy=0.95) is INCONCLUSIVE
    assert with_tail(max_break_rate=0.11, non_inferiority=0.01) is FAIL


def test_the_suites_rules_are_not_asked_of_its_slices() -> None:
    found = verdict(Policy(min_accuracy=0.9), 0)

    assert found.slices[0].rules == ()
    assert found.decision is PASS


def family(policy: Policy, breaks: Sequence[int]) -> list[Verdict]:
    alone = [verdict(policy, broke) for broke in breaks]
    p_values = {one.subject: family_p(one) for one in alone}
    return [within_family(one, p_values) for one in alone]


def test_a_variant_that_passes_by_luck_among_many_does_not_by_holm() -> None:
    # P(X <= k | 100, 0.1): 0.0000266, 0.0237, 0.0576 … for k = 0, 4, 5.
    found = family(Policy(family_wise="holm"), [0, 4, 7, 9])

    assert [one.decision for one in found] == [PASS, INCONCLUSIVE, INCONCLUSIVE, INCONCLUSIVE]
    lucky = found[1]
    assert lucky.family is not None
    assert lucky.family.variants == 4
    assert lucky.family.raw_p == pytest.approx(0.0237, abs=5e-5)
    assert lucky.family.adjusted_p == pytest.approx(3 * 0.0237, abs=2e-4)
    assert lucky.whole is not None
    assert lucky.whole.unbroken_items_needed > 0
    assert "p 0.024 on its own, 0.071 among 4 variants by Holm" in lucky.reasons[0]
    assert found[0].reasons[0].endswith("among 4 variants by Holm)")


def test_the_items_that_are_said_to_settle_it_do_settle_it() -> None:
    lucky = family(Policy(family_wise="holm"), [0, 4, 7, 9])[1]
    assert lucky.whole is not None
    suite = suite_of([()] * (100 + lucky.whole.unbroken_items_needed))
    texts = ["no"] * 4 + ["yes"] * (len(suite.items) - 4)
    again = judged(Policy(family_wise="holm"), run_of(suite, texts, subject="demo--4"), suite=suite)

    p_values = {"demo--4": family_p(again), "b": 1.0, "c": 1.0, "d": 1.0}
    assert within_family(again, p_values).decision is PASS


def test_without_holm_and_in_a_family_of_one_nothing_changes() -> None:
    plain = verdict(Policy(), 4)
    assert within_family(plain, {}) is plain

    alone = family(Policy(family_wise="holm"), [4])[0]
    assert alone.decision is PASS
    assert alone.family is not None
    assert alone.family.raw_p == alone.family.adjusted_p


def test_what_failed_stays_failed_and_what_was_never_asked_counts_as_tried() -> None:
    policy = Policy(family_wise="holm")
    failed, passed = verdict(policy, 40), verdict(policy, 4)
    base = run_of(suite_of([()] * 3), ["yes"] * 3)
    unasked = audit_failure(
        subject="demo--FP8",
        suite=suite_of([()] * 3),
        policy=policy,
        audit=MISSED_AUDIT,
        contract=base.contract,
        reference_key=base.key,
    )
    p_values = {one.subject: family_p(one) for one in (failed, passed, unasked)}

    assert p_values["demo--FP8"] == 1.0
    assert within_family(failed, p_values).decision is FAIL
    assert within_family(unasked, p_values).decision is FAIL
    assert within_family(passed, p_values).decision is INCONCLUSIVE  # 3 x 0.024 > 0.05


def test_an_adjusted_verdict_survives_being_written_and_read() -> None:
    policy = Policy(family_wise="holm", min_accuracy=0.5, slices=(SlicePolicy(name="s"),))
    for one in family(policy, [0, 4]):
        assert from_json(Verdict, to_json(one)) == one
