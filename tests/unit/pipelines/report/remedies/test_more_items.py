"""How many more items settle a verdict: as the bound itself says, item by item."""

from math import ceil

import pytest

from quantgate.pipelines.domain.verdicts.policy import Limits, Policy
from quantgate.pipelines.domain.verdicts.verdict import Decision, SliceVerdict, Verdict
from quantgate.pipelines.gates.family import family_confidence, family_p, within_family
from quantgate.pipelines.gates.judge import judge
from quantgate.pipelines.gates.slices import judge_whole
from quantgate.pipelines.paired.exact import break_rate_bound
from quantgate.pipelines.paired.statistics import statistics
from quantgate.pipelines.report.corpus_notes import RowsToWrite, TrafficRow
from quantgate.pipelines.report.remedies.more_items import (
    LOOKED_AT,
    items_to_settle,
    more_items,
    open_scopes,
)
from tests.support.verdicts.judging import PASSED_AUDIT, paired_items, run_of, suite_of

LIMITS = Limits(max_break_rate=0.10, confidence=0.95)


def whole(broke: int, reliable: int, *, wrong: int = 0) -> SliceVerdict:
    items = paired_items(both_right=reliable - broke, broke=broke, same=wrong)
    return judge_whole(statistics(items, confidence=0.95, max_break_rate=0.10), LIMITS)


def passes(broke: int, reliable: int) -> bool:
    return break_rate_bound(broke, reliable, 0.95) <= 0.10


@pytest.mark.parametrize(("broke", "reliable"), [(0, 10), (1, 40), (3, 60), (4, 70), (2, 25)])
def test_so_many_items_settle_it_and_one_fewer_does_not(broke: int, reliable: int) -> None:
    needed = items_to_settle(whole(broke, reliable), LIMITS)
    assert needed is not None
    assert passes(broke, reliable + needed.unbroken)
    assert not passes(broke, reliable + needed.unbroken - 1)
    rate = broke / reliable
    first = next(
        more for more in range(5000) if passes(broke + ceil(rate * more - 1e-9), reliable + more)
    )
    assert needed.expected == first


def test_what_the_base_gets_wrong_has_to_be_written_as_well() -> None:
    needed = items_to_settle(whole(0, 20, wrong=20), LIMITS)
    assert needed is not None
    assert (needed.unbroken, needed.expected, needed.to_write) == (9, 9, 18)


def test_a_rate_at_the_limit_is_settled_by_no_number_of_like_items() -> None:
    needed = items_to_settle(whole(1, 10), LIMITS)
    assert needed is not None
    assert needed.expected is None
    assert needed.never
    assert needed.to_write == needed.unbroken == 36


def test_nothing_is_asked_for_where_a_scope_passes_or_has_no_items() -> None:
    assert items_to_settle(whole(0, 40), LIMITS) is None
    assert items_to_settle(whole(0, 0, wrong=5), LIMITS) is None


def verdict(policy: Policy) -> Verdict:
    """A whole that passes, a slice that is open and one too small to prove itself."""
    entries = [("large",)] * 60 + [("open",)] * 40 + [("small",)] * 8
    texts = ["yes"] * 60 + ["no"] * 2 + ["yes"] * 46
    suite = suite_of(entries)
    return judge(
        suite=suite,
        policy=policy,
        audit=PASSED_AUDIT,
        reference_runs=[run_of(suite, ["yes"] * len(entries))],
        variant_run=run_of(suite, texts, subject="variant"),
    )


def test_only_what_keeps_a_verdict_open_is_asked_for() -> None:
    judged = verdict(Policy())
    assert judged.decision is Decision.INCONCLUSIVE
    assert [scope.name for scope in open_scopes(judged)] == ["open"]
    (remedy,) = more_items(judged, Policy(), "org/model")
    assert remedy.text == (
        "open: 21 more reliable items settle it if none breaks, 76 if they break as often as now (5.0 %);"
        " the base gets 40 of 40 reliably right, so write about 76, from the rows of your traffic that this"
        " proposes:"
    )
    assert remedy.command == "quantgate suite mine TRAFFIC --model org/model --take 76"
    every = Policy(require_all_slices=True)
    assert [scope.name for scope in open_scopes(verdict(every))] == ["open", "small"]


def one_slice(right: int, broke: int, policy: Policy) -> Verdict:
    suite = suite_of([("s",)] * (right + broke))
    return judge(
        suite=suite,
        policy=policy,
        audit=PASSED_AUDIT,
        reference_runs=[run_of(suite, ["yes"] * (right + broke))],
        variant_run=run_of(suite, ["yes"] * right + ["no"] * broke, subject="variant"),
    )


def test_a_rate_at_the_limit_is_said_to_be_settled_by_no_number() -> None:
    policy = Policy()
    (remedy, *_) = more_items(one_slice(36, 4, policy), policy, "org/model")
    assert "no number does if they go on breaking as often as now (10.0 %)" in remedy.text
    assert "over" not in remedy.text


@pytest.mark.parametrize("broke", [0, 1])
def test_a_pass_that_its_family_took_back_needs_items_at_the_familys_confidence(broke: int) -> None:
    policy = Policy(family_wise="holm")
    alone = one_slice(50, broke, policy)
    beside = {"variant": family_p(alone), **{f"other {n}": 1.0 for n in range(40)}}
    judged = within_family(alone, beside)
    assert (alone.decision, judged.decision) == (Decision.PASS, Decision.INCONCLUSIVE)
    assert judged.whole is not None
    (remedy,) = more_items(judged, policy, "org/model")
    confidence = family_confidence(policy, 41)
    needed = items_to_settle(judged.whole, Limits(max_break_rate=0.10, confidence=confidence))
    assert needed is not None
    assert needed.unbroken == judged.whole.unbroken_items_needed
    assert needed.expected is not None and needed.expected >= needed.unbroken > 0
    assert f" {needed.expected} if they break as often as now" in remedy.text


def test_rows_of_the_build_s_own_traffic_stand_beside_the_command_that_proposes_more() -> None:
    judged = verdict(Policy())
    rows = RowsToWrite(
        file="my traffic/chats.jsonl", rows=(TrafficRow(row="t-0007", text="where is it?"),)
    )
    (plain,) = more_items(judged, Policy(), "org/model")
    (remedy,) = more_items(judged, Policy(), "org/model", {"open": rows})
    assert [row.row for row in remedy.rows] == ["t-0007"]
    assert "rows of your traffic such as t-0007, and those that this proposes" in remedy.text
    assert "'my traffic/chats.jsonl' --model" in remedy.command
    assert not plain.rows and "TRAFFIC" in plain.command


def test_where_more_is_to_be_written_than_is_looked_at_the_command_looks_at_more() -> None:
    policy = Policy(max_break_rate=0.001)
    (remedy, *_) = more_items(one_slice(36, 0, policy), policy, "org/model")
    written = int(remedy.command.split("--take ")[1].split()[0])
    assert written > LOOKED_AT / 2
    assert f"--look-at {2 * written}" in remedy.command
