"""Files of one verdict for CI: red where the verdict failed, whatever failed it."""

from dataclasses import replace
from xml.etree import ElementTree

from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.verdict import Decision, Verdict
from quantgate.pipelines.gates.judge import audit_failure, judge
from quantgate.pipelines.report.verdict_files import verdict_junit, verdict_markdown
from tests.support.verdicts.judging import MISSED_AUDIT, PASSED_AUDIT, run_of, suite_of


def judged(items: int) -> Verdict:
    suite = suite_of([("s",)] * items)
    return judge(
        suite=suite,
        policy=Policy(),
        audit=PASSED_AUDIT,
        reference_runs=[run_of(suite, ["yes"] * items)],
        variant_run=run_of(suite, ["yes"] * items, subject="variant"),
    )


def verdict_case(verdict: Verdict) -> tuple[ElementTree.Element, ElementTree.Element]:
    suite = ElementTree.fromstring(verdict_junit(verdict))
    return suite, next(case for case in suite if case.get("name") == "verdict")


def test_a_failed_audit_is_a_failure_with_its_reasons() -> None:
    suite = suite_of([("s",)] * 3)
    base = run_of(suite, ["yes"] * 3)
    failed = audit_failure(
        subject="variant",
        suite=suite,
        policy=Policy(),
        audit=MISSED_AUDIT,
        contract=base.contract,
        reference_key=base.key,
    )
    root, case = verdict_case(failed)
    failure = case.find("failure")
    assert failure is not None
    assert failure.text == "\n".join(failed.reasons)
    assert (root.get("tests"), root.get("failures")) == ("1", "1")


def test_an_open_verdict_is_skipped_and_a_passing_one_neither() -> None:
    _, open_case = verdict_case(judged(5))
    assert [part.tag for part in open_case] == ["skipped"]
    root, passed = verdict_case(judged(60))
    assert list(passed) == []
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("3", "0", "0")


def test_lone_surrogates_and_controls_are_shown_and_break_nothing() -> None:
    hostile = replace(
        judged(60),
        subject="v\ud800\x00",
        reasons=("ends \udfff | in \x1b",),
        decision=Decision.FAIL,
    )
    for text in (verdict_junit(hostile), verdict_markdown(hostile, "s\ud801")):
        assert "U+D8" in text.encode("utf-8").decode("utf-8")
    _, case = verdict_case(hostile)
    assert case[0].text == "ends \u27e8U+DFFF\u27e9 | in \u241b"


def test_reasons_are_whole_in_markdown_and_cannot_break_it() -> None:
    reason = "a | b " * 60
    written = verdict_markdown(replace(judged(60), reasons=(reason,)), "exact")
    assert written.startswith("### quantgate: variant: **pass**\n\n| scope | items |")
    assert "- " + " ".join(["a \\| b"] * 60) + "\n\nGraded by exact.\n" in written
