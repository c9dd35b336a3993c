"""A build that cannot pass any more says so once the base has answered."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.build.errors import record_error
from quantgate.flows.build.outcome import write_report
from quantgate.flows.build.references import (
    reported_references,
    require_prospects,
    run_reference,
    run_references,
)
from quantgate.pipelines.audit.bench.bench import base_in
from quantgate.pipelines.domain.errors import UnprovableError
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.gates.prospects import fewest_reliable_items, obstacles
from quantgate.pipelines.report.build_report import BuildReport
from quantgate.pipelines.report.page.rendering import render_page
from quantgate.pipelines.report.references import reference_summaries
from quantgate.pipelines.report.result import result_json
from quantgate.pipelines.report.summary import base_warnings, decision_word, reference_rows
from tests.support.builds.faked import faked_build
from tests.support.fakes import FakeBackend, FakeRuntime
from tests.support.verdicts.judging import run_of, suite_of
from tests.support.verdicts.reports import example_report

POLICY = Policy(reference_runs=2)
SMALL = {"flat": 32, "refusal": 30}


def found(right: int, *, of: int = 40, unstable: int = 0, policy: Policy = POLICY) -> Sequence[str]:
    suite = suite_of([("all",)] * of)
    texts = ["yes"] * right + ["no"] * (of - right)
    again = ["no"] * unstable + texts[unstable:]
    return obstacles(suite, policy, (run_of(suite, texts), run_of(suite, again, order_seed=1)))


def test_twenty_nine_reliable_items_are_the_fewest_of_the_default_policy() -> None:
    assert fewest_reliable_items(POLICY.limits()) == 29
    assert fewest_reliable_items(replace(POLICY, max_break_rate=0.02).limits()) == 149


def test_a_base_that_is_right_often_enough_leaves_nothing_in_the_way() -> None:
    assert found(29) == ()


def test_one_item_less_cannot_pass_any_more_and_says_what_would_do() -> None:
    (sentence,) = found(28)
    assert "gets 28 of 40 items reliably right" in sentence
    assert "limit is 10 %: 1 more such item would" in sentence


def test_how_the_base_is_wrong_is_told_where_it_leaves_nothing_to_pass() -> None:
    suite = suite_of([("all",)] * 40)
    run = run_of(suite, ["no"] * 40)
    answers = tuple(
        replace(one, grade=replace(one.grade, way="runtime error" if number else "truncated"))
        for number, one in enumerate(run.answers)
    )
    (sentence,) = obstacles(suite, POLICY, (replace(run, answers=answers),))
    assert "gets 0 of 40 items reliably right (wrong: 39 runtime error, 1 truncated);" in sentence


def test_items_that_the_repeats_disagree_on_do_not_count() -> None:
    assert found(31, unstable=2) == ()
    assert found(31, unstable=3) != ()


def test_items_of_few_groups_prove_no_more_than_the_groups() -> None:
    suite = suite_of([("all",)] * 60)
    grouped = tuple(replace(item, group=f"g{n // 5}") for n, item in enumerate(suite.items))
    suite = replace(suite, items=grouped)
    (sentence,) = obstacles(suite, POLICY, (run_of(suite, ["yes"] * 60),))
    assert "60 of 60 items reliably right, 12 independent ones" in sentence


def test_a_slice_too_small_stands_in_the_way_only_where_all_are_required() -> None:
    suite = suite_of([("big",)] * 40 + [("small",)] * 5)
    runs = (run_of(suite, ["yes"] * 45),)
    assert obstacles(suite, POLICY, runs) == ()
    (sentence,) = obstacles(suite, replace(POLICY, require_all_slices=True), runs)
    assert sentence.startswith("slice small: ")


@pytest.mark.parametrize("anyway", [False, True])
def test_a_base_that_is_right_too_rarely_stops_the_build_unless_told(
    tmp_path: Path, anyway: bool
) -> None:
    wrong = FakeRuntime(wrong_text="wrong")
    here = faked_build(tmp_path, FakeBackend(), wrong)
    items = tuple(replace(item, expected="other") for item in here.plan.suite.items[:15])
    suite = replace(here.plan.suite, items=(*items, *here.plan.suite.items[15:]))
    here = replace(here, plan=replace(here.plan, suite=suite, anyway=anyway))
    if anyway:
        require_prospects(here, "llamacpp", run_references(here, "llamacpp"))
        assert len(reported_references(here, "llamacpp")) == 2
        return
    for _ in range(2):
        with pytest.raises(UnprovableError, match="none was built: the base gets 25 of") as stopped:
            require_prospects(here, "llamacpp", run_references(here, "llamacpp"))
    assert stopped.value.exit_code == 11
    assert "--anyway" in (stopped.value.next_step or "")
    assert len(wrong.asked) == 40, "the repeat could only make it worse"
    (primary,) = reported_references(here, "llamacpp")
    record_error(here, base_in("llamacpp"), "reference", stopped.value)
    result = write_report(here)
    assert result.page.is_file()
    assert sum(not graded.grade.correct for graded in primary.answers) == 15


def test_a_run_of_the_base_that_no_longer_helps_is_not_made_and_others_are_made_in_any_order(
    tmp_path: Path,
) -> None:
    for name in ("sound", "hopeless"):
        (tmp_path / name).mkdir()
    sound = faked_build(tmp_path / "sound", FakeBackend(), runtime := FakeRuntime())
    repeat = run_reference(sound, "llamacpp", 2)
    primary = run_reference(sound, "llamacpp", 1)
    assert run_references(sound, "llamacpp") == (primary, repeat)
    assert len(runtime.asked) == 2 * 40
    hopeless = faked_build(tmp_path / "hopeless", FakeBackend(), runtime := FakeRuntime())
    items = tuple(replace(item, expected="other") for item in hopeless.plan.suite.items[:15])
    suite = replace(hopeless.plan.suite, items=(*items, *hopeless.plan.suite.items[15:]))
    hopeless = replace(hopeless, plan=replace(hopeless.plan, suite=suite))
    assert run_reference(hopeless, "llamacpp", 1) is not None
    assert run_reference(hopeless, "llamacpp", 2) is None
    assert len(runtime.asked) == 40


def test_a_checkpoint_judged_on_its_own_has_nothing_to_pass(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    alone = replace(here, plan=replace(here.plan, variants=()))
    require_prospects(alone, "llamacpp", run_references(alone, "llamacpp"))


def unprovable_report() -> BuildReport:
    report = example_report(SMALL)
    stopped = tuple(
        replace(variant, verdict=None, audit=None, variant=None, unprovable=True, failure="too few")
        for variant in report.variants
    )
    return replace(report, variants=stopped)


def test_what_was_not_built_is_inconclusive_and_the_page_says_why() -> None:
    report = unprovable_report()
    assert {decision_word(variant) for variant in report.variants} == {"inconclusive"}
    assert result_json(report)["decision"] == "inconclusive"
    assert "Nothing can pass: the base is reliably right on too few items" in render_page(report)


def test_every_item_that_the_base_gets_wrong_is_listed_on_the_page_and_in_the_result() -> None:
    report = example_report()
    (first, *_) = reference_summaries(report)
    wrong = [g.answer.item_id for g in first.run.answers if not g.grade.correct]
    assert [item.item_id for item in first.wrong] == wrong != []
    page = render_page(report)
    assert f"{len(wrong)} items that the base gets wrong" in page
    listed = result_json(report)["references"]
    assert isinstance(listed, list)
    assert isinstance(listed[0], dict)
    items = listed[0]["wrong_items"]
    assert isinstance(items, list)
    assert len(items) == len(wrong)
    assert isinstance(items[0], dict)
    assert {"item_id", "slices", "expected", "answer", "reason"} <= set(items[0])


def test_a_base_below_eighty_percent_carries_a_warning() -> None:
    (row, *_) = reference_rows(example_report(SMALL))
    assert base_warnings([replace(row, accuracy=0.8)]) == ()
    (warning,) = base_warnings([replace(row, accuracy=0.62)])
    assert warning.startswith("the base itself gets 62.0 % of the items right in")
