"""One verdict for CI: as JUnit XML, a test case for each scope, and as Markdown for a pull request."""

from xml.etree import ElementTree

from quantgate.pipelines.domain.verdicts.verdict import Decision, SliceVerdict, Verdict
from quantgate.pipelines.gates.wording import percent, percent_bound

_SKIPPED = (Decision.INCONCLUSIVE, Decision.UNPROVEN)
_NOT_IN_XML = {number: " " for number in range(32) if chr(number) not in "\t\n\r"}
_MARKDOWN = {ord(character): f"\\{character}" for character in "\\`*_[]<>|#"}
_HEADINGS = "| scope | items | reference | variant | broke | at most | decision |"


def verdict_junit(verdict: Verdict) -> str:
    """Return JUnit XML; what is inconclusive or unproven is skipped, with its reason."""
    suite = ElementTree.Element("testsuite", name=_shown(verdict.subject))
    for scope in _scopes(verdict):
        case = ElementTree.SubElement(
            suite, "testcase", classname=_shown(verdict.subject), name=_shown(scope.name)
        )
        if scope.decision is Decision.FAIL:
            ElementTree.SubElement(case, "failure", message=_shown(scope.reason))
        elif scope.decision in _SKIPPED:
            ElementTree.SubElement(case, "skipped", message=_shown(scope.reason))
    suite.set("tests", str(len(suite)))
    for name, kind in (("failures", "failure"), ("skipped", "skipped"), ("errors", "error")):
        suite.set(name, str(sum(case.find(kind) is not None for case in suite)))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def verdict_markdown(verdict: Verdict, graded_by: str) -> str:
    """Return a heading with the decision, a table of all scopes, and the reasons."""
    rows = [_HEADINGS, "|---|---|---|---|---|---|---|", *map(_row, _scopes(verdict))]
    reasons = [f"- {_plain(reason)}" for reason in verdict.reasons]
    heading = f"### quantgate: {_plain(verdict.subject)}: **{verdict.decision.value}**"
    return "\n".join([heading, "", *rows, "", *reasons, "", f"Graded by {_plain(graded_by)}.", ""])


def _scopes(verdict: Verdict) -> tuple[SliceVerdict, ...]:
    return (verdict.whole, *verdict.slices) if verdict.whole else verdict.slices


def _row(scope: SliceVerdict) -> str:
    counted = scope.statistics
    cells = (
        _plain(scope.name),
        str(counted.items),
        percent(counted.reference_accuracy),
        percent(counted.variant_accuracy),
        f"{counted.broke} of {counted.reliable}",
        percent_bound(counted.break_rate_bound),
        scope.decision.value,
    )
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return " ".join(text.split()).translate(_MARKDOWN)


def _shown(text: str) -> str:
    """Text without the characters that XML 1.0 does not have."""
    return text.translate(_NOT_IN_XML)
