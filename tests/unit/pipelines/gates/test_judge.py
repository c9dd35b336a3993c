"""The default policy: thirty unbroken items pass, more than a tenth broken fails, between is said so."""

from collections.abc import Sequence

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.verdicts.audit import AuditReport
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.verdict import Decision, SliceVerdict, Verdict
from quantgate.pipelines.files.records import from_json, to_json
from quantgate.pipelines.gates.judge import audit_failure, judge
from quantgate.pipelines.gates.slices import judge_slice, judge_whole
from quantgate.pipelines.gates.wording import percent_bound
from quantgate.pipelines.paired.statistics import statistics
from tests.support.verdicts.judging import (
    MISSED_AUDIT,
    PASSED_AUDIT,
    paired_items,
    repeat_of,
    run_of,
    suite_of,
)

POLICY = Policy()
PASS, FAIL = Decision.PASS, Decision.FAIL
INCONCLUSIVE, UNPROVEN = Decision.INCONCLUSIVE, Decision.UNPROVEN
RANK = {FAIL: 0, INCONCLUSIVE: 1, UNPROVEN: 1, PASS: 2}


def whole(broke: int, reliable: int, policy: Policy = POLICY) -> SliceVerdict:
    items = paired_items(both_right=reliable - broke, broke=broke)
    return judge_whole(
        statistics(items, confidence=policy.confidence, max_break_rate=policy.max_break_rate),
        policy.limits(),
    )


def one_slice(broke: int, reliable: int, *, critical: bool = False) -> SliceVerdict:
    items = paired_items(both_right=reliable - broke, broke=broke)
    return judge_slice(
        "tail",
        statistics(items, confidence=0.95, max_break_rate=0.1),
        POLICY.slice_limits("tail", critical=critical),
    )


def verdict(
    slices: Sequence[tuple[int, int]],
    *,
    policy: Policy = POLICY,
    audit: AuditReport = PASSED_AUDIT,
    critical: tuple[str, ...] = (),
) -> Verdict:
    """A verdict over slices `s0`, `s1` … given as (broke, reliable)."""
    entries = [(f"s{i}",) for i, (_, reliable) in enumerate(slices) for _ in range(reliable)]
    texts = [
        "no" if position < broke else "yes"
        for broke, reliable in slices
        for position in range(reliable)
    ]
    suite = suite_of(entries, critical=critical)
    return judge(
        suite=suite,
        policy=policy,
        audit=audit,
        reference_runs=[run_of(suite, ["yes"] * len(entries))],
        variant_run=run_of(suite, texts, subject="demo--Q4_K_M"),
    )


@pytest.mark.parametrize(
    ("broke", "reliable", "decision"),
    [
        (0, 30, PASS),
        (0, 29, PASS),
        (1, 50, PASS),
        (1, 46, PASS),
        (0, 28, INCONCLUSIVE),
        (1, 45, INCONCLUSIVE),
        (3, 30, INCONCLUSIVE),
        (4, 30, FAIL),
        (1, 5, FAIL),
        (40, 400, INCONCLUSIVE),
        (41, 400, FAIL),
        (0, 0, INCONCLUSIVE),
        (1, 1, FAIL),
    ],
)
def test_the_whole_passes_by_its_bound_fails_by_its_rate_and_is_open_between(
    broke: int, reliable: int, decision: Decision
) -> None:
    assert whole(broke, reliable).decision is decision


@pytest.mark.parametrize(
    ("broke", "reliable", "decision"),
    [
        (0, 29, PASS),
        (1, 50, PASS),
        (1, 29, INCONCLUSIVE),
        (3, 29, FAIL),
        (0, 28, UNPROVEN),
        (1, 28, UNPROVEN),
        (1, 2, UNPROVEN),
        (1, 1, UNPROVEN),
        (0, 0, UNPROVEN),
        (2, 20, UNPROVEN),
        (2, 19, FAIL),
        (2, 2, FAIL),
    ],
)
def test_a_slice_too_small_to_prove_itself_is_unproven_and_fails_only_on_two_breaks(
    broke: int, reliable: int, decision: Decision
) -> None:
    assert one_slice(broke, reliable).decision is decision


@pytest.mark.parametrize(
    ("broke", "reliable", "decision"),
    [(0, 29, PASS), (1, 500, FAIL), (1, 1, FAIL), (0, 5, UNPROVEN)],
)
def test_a_critical_slice_tolerates_no_break(broke: int, reliable: int, decision: Decision) -> None:
    assert one_slice(broke, reliable, critical=True).decision is decision


@pytest.mark.parametrize("critical", [False, True])
@pytest.mark.parametrize("reliable", [1, 2, 12, 20, 28, 29, 30, 46, 61, 90])
def test_one_more_break_never_improves_a_decision(reliable: int, critical: bool) -> None:
    for judged in (
        [whole(broke, reliable) for broke in range(reliable + 1)],
        [one_slice(broke, reliable, critical=critical) for broke in range(reliable + 1)],
    ):
        ranks = [RANK[verdict.decision] for verdict in judged]
        assert ranks == sorted(ranks, reverse=True)


@pytest.mark.parametrize("broke", [0, 1, 3])
def test_one_more_unbroken_item_never_worsens_the_whole(broke: int) -> None:
    ranks = [RANK[whole(broke, reliable).decision] for reliable in range(max(1, broke), 120)]

    assert ranks == sorted(ranks)


def test_reasons_have_their_numbers_and_say_what_would_settle_it() -> None:
    assert one_slice(3, 41).reason == (
        "tail: 3 of 41 reliably right items broke (7.3 %, bound 17.9 %):"
        " 35 more unbroken items would settle it"
    )
    assert one_slice(3, 41).unbroken_items_needed == 35
    assert one_slice(0, 12).reason == (
        "tail: 0 of 12 reliably right items broke (0.0 %, bound 22.1 %):"
        " too few items to prove 10 %, 17 more unbroken items would"
    )
    assert whole(6, 41).reason == (
        "the whole suite: 6 of 41 reliably right items broke (14.6 %, bound 26.9 %),"
        " which is above the limit of 10 %"
    )
    assert one_slice(1, 41, critical=True).reason.endswith("a critical slice tolerates no break")
    assert one_slice(0, 0).reason.startswith("tail: the reference gets no item reliably right")
    assert whole(0, 30).unbroken_items_needed == whole(6, 41).unbroken_items_needed == 0
    assert "1 more unbroken item would settle it" in whole(0, 28).reason


def test_a_bound_above_the_limit_never_reads_as_equal_to_it() -> None:
    assert percent_bound(0.10001) == "10.1 %"
    assert percent_bound(0.1) == "10.0 %"
    assert percent_bound(1.0) == "100.0 %"


def test_a_variant_passes_when_the_whole_passes_and_no_slice_blocks() -> None:
    judged = verdict([(0, 40), (1, 50), (0, 5)])

    assert judged.decision is PASS
    assert judged.unproven_slices == ("s2",)
    assert judged.subject == "demo--Q4_K_M"
    assert judged.reasons[0].startswith("the whole suite: 1 of 95")
    assert judged.reasons[1].startswith("s2: 0 of 5")
    assert judged.whole is not None
    assert len(judged.items) == judged.whole.statistics.items == 95


def test_a_failing_slice_fails_a_variant_whose_average_is_fine() -> None:
    judged = verdict([(0, 400), (6, 40)])

    assert judged.whole is not None
    assert judged.whole.decision is PASS
    assert judged.decision is FAIL
    assert judged.reasons[0].startswith("s1: 6 of 40")


def test_a_slice_able_to_pass_has_to() -> None:
    assert verdict([(0, 400), (1, 29)]).decision is INCONCLUSIVE


def test_unproven_slices_block_only_where_the_policy_requires_all() -> None:
    strict = verdict([(0, 60), (0, 5)], policy=Policy(require_all_slices=True))

    assert verdict([(0, 60), (0, 5)]).decision is PASS
    assert strict.decision is INCONCLUSIVE
    assert strict.reasons[-1].endswith("(the policy requires all slices)")


def test_failure_outweighs_what_is_open() -> None:
    judged = verdict([(2, 40), (5, 12), (0, 90)])

    assert judged.decision is FAIL
    assert [reason.split(":")[0] for reason in judged.reasons][:3] == [
        "s1",
        "s0",
        "the whole suite",
    ]


def test_critical_slices_come_from_the_suite_and_from_the_policy() -> None:
    slices = [(1, 50), (0, 50)]

    assert verdict(slices).decision is PASS
    assert verdict(slices, critical=("s0",)).decision is FAIL
    assert verdict(slices, policy=Policy(critical_slices=("s0",))).decision is FAIL
    assert verdict(slices, policy=Policy(critical_slices=("s1",))).decision is PASS


def test_a_critical_slice_the_suite_does_not_have_is_refused_with_the_likely_one() -> None:
    with pytest.raises(InputError, match="names refusall") as refused:
        verdict([(0, 30)], policy=Policy(critical_slices=("refusall",)))
    assert refused.value.next_step == "slices: s0"

    with pytest.raises(InputError) as refused:
        verdict([(0, 30)], policy=Policy(critical_slices=("s_0",)))
    assert refused.value.next_step == "did you mean s0?"


def test_an_audit_miss_fails_a_flawless_run_and_comes_first() -> None:
    judged = verdict([(0, 100)], audit=MISSED_AUDIT)

    assert judged.decision is FAIL
    assert judged.reasons[0] == "audit, quantized layers: promised 28 of 28, found 0 of 28"
    assert judged.whole is not None
    assert judged.whole.decision is PASS


def test_an_audit_that_checked_nothing_fails() -> None:
    judged = verdict([(0, 100)], audit=AuditReport(findings=()))

    assert judged.decision is FAIL
    assert judged.reasons[0] == "audit: nothing was checked"


def test_a_variant_that_was_never_asked_fails_with_its_misses_and_no_statistics() -> None:
    suite = suite_of([("s",)] * 3)
    base = run_of(suite, ["yes"] * 3)

    judged = audit_failure(
        subject="demo--FP8",
        suite=suite,
        policy=POLICY,
        audit=MISSED_AUDIT,
        contract=base.contract,
        reference_key=base.key,
    )

    assert judged.decision is FAIL
    assert judged.reasons[0].startswith("audit, quantized layers")
    assert judged.reasons[-1] == "no item was asked"
    assert (judged.whole, judged.run_key, judged.slices, judged.items) == (None, None, (), ())
    assert judged.reference_key == base.key
    with pytest.raises(ValueError, match="passed its audit"):
        audit_failure(
            subject="demo--FP8",
            suite=suite,
            policy=POLICY,
            audit=PASSED_AUDIT,
            contract=base.contract,
            reference_key=base.key,
        )


def test_breaks_on_items_the_reference_is_unsure_of_do_not_count() -> None:
    suite = suite_of([("s",)] * 60)
    base = run_of(suite, ["yes"] * 60)
    variant = run_of(suite, ["no"] * 8 + ["yes"] * 52, subject="demo--Q4_K_M")
    repeats = [repeat_of(base, seed=1, wrong=range(5)), repeat_of(base, seed=2, wrong=range(3, 8))]

    def decision(runs: Sequence[object]) -> Decision:
        return judge(
            suite=suite,
            policy=POLICY,
            audit=PASSED_AUDIT,
            reference_runs=runs,  # type: ignore[arg-type]
            variant_run=variant,
        ).decision

    assert decision([base]) is FAIL
    assert decision([base, *repeats]) is PASS


def test_a_tighter_policy_asks_for_more_items() -> None:
    tight = Policy(max_break_rate=0.05, confidence=0.99)

    assert whole(0, 89, tight).decision is INCONCLUSIVE  # ln 0.01 / ln 0.95 = 89.8
    assert whole(0, 90, tight).decision is PASS


def test_a_verdict_survives_being_written_and_read() -> None:
    suite = suite_of([("s",)] * 3)
    base = run_of(suite, ["yes"] * 3)
    unasked = audit_failure(
        subject="demo--FP8",
        suite=suite,
        policy=POLICY,
        audit=MISSED_AUDIT,
        contract=base.contract,
        reference_key=base.key,
    )
    for judged in (verdict([(1, 30), (0, 5)]), unasked):
        assert from_json(Verdict, to_json(judged)) == judged
