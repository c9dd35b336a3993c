"""What a check found wrong, as commands show it: problems before notes, then how many there are of each."""

from collections.abc import Iterable
from dataclasses import asdict

from quantgate.calibration.checks.report import CorpusReport
from quantgate.flows.cli.views.blocks import Sentence, Styled
from quantgate.flows.cli.views.printing import print_json
from quantgate.pipelines.authoring.check import SuiteFinding, SuiteReport
from quantgate.pipelines.report.wording import plural

_SIGNS = {"problem": Styled("✗ ", "red"), "note": Styled("! ", "yellow")}


def problems_first(findings: Iterable[SuiteFinding]) -> list[SuiteFinding]:
    """Return findings in their order, problems before notes."""
    return sorted(findings, key=lambda finding: finding.severity != "problem")


def finding_sentence(finding: SuiteFinding, *said: Styled) -> Sentence:
    """Return a finding: `where: problem: text`, as compilers write it; on a terminal its sign and `said`."""
    place = finding.where if finding.line is None else f"{finding.where}:{finding.line}"
    return Sentence(
        plain=f"{place}: {finding.severity}: {finding.text}",
        styled=(_SIGNS[finding.severity], *said),
    )


def counts_sentence(report: SuiteReport | CorpusReport, more: str = "") -> Sentence:
    """Return the last line of a report: how many problems and notes it has."""
    problems = len(report.problems)
    notes = len(report.findings) - problems
    text = f"{plural(problems, 'problem')}, {plural(notes, 'note')}{more}"
    return Sentence.of(text, "red" if problems else "green")


def print_report_json(report: SuiteReport | CorpusReport) -> None:
    """Print a report as one JSON object; `ok` is false where there are problems."""
    print_json({"ok": not report.problems, **asdict(report)})
