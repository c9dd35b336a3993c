"""One verdict for CI: as JUnit XML, a test case for each scope, and as Markdown for a pull request."""

from xml.etree import ElementTree

from quantgate.pipelines.domain.verdicts.verdict import SliceVerdict, Verdict
from quantgate.pipelines.gates.wording import percent, percent_bound
from quantgate.pipelines.report.tables.junit_cases import add_judged, count_cases, xml_text
from quantgate.pipelines.report.tables.writing import escaped_whole, markdown_table
from quantgate.pipelines.report.wording import visible

_HEADINGS = ("scope", "items", "reference", "variant", "broke", "at most", "decision")


def verdict_junit(verdict: Verdict) -> str:
    """Return JUnit XML: a case a scope, and one for the verdict with all of its reasons.

    What is inconclusive or unproven is skipped, with its reason.
    """
    suite = ElementTree.Element("testsuite", name=visible(verdict.subject))
    for scope in _scopes(verdict):
        add_judged(suite, scope.name, scope.decision.value, scope.reason)
    add_judged(suite, "verdict", verdict.decision.value, "\n".join(verdict.reasons))
    count_cases(suite, list(suite))
    return xml_text(suite)


def verdict_markdown(verdict: Verdict, graded_by: str) -> str:
    """Return a heading with the decision, a table of all scopes, and the reasons."""
    table = markdown_table(_HEADINGS, [_row(scope) for scope in _scopes(verdict)])
    reasons = [f"- {escaped_whole(reason)}" for reason in verdict.reasons]
    heading = f"### quantgate: {escaped_whole(verdict.subject)}: **{verdict.decision.value}**"
    by = f"Graded by {escaped_whole(graded_by)}."
    return "\n".join([heading, "", table, *reasons, "", by, ""])


def _scopes(verdict: Verdict) -> tuple[SliceVerdict, ...]:
    return (verdict.whole, *verdict.slices) if verdict.whole else verdict.slices


def _row(scope: SliceVerdict) -> tuple[str, ...]:
    counted = scope.statistics
    return (
        scope.name,
        str(counted.items),
        percent(counted.reference_accuracy),
        percent(counted.variant_accuracy),
        f"{counted.broke} of {counted.reliable}",
        percent_bound(counted.break_rate_bound),
        scope.decision.value,
    )
