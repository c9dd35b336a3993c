"""How a report on a suite looks: tables on a terminal, plain lines elsewhere, JSON on request."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from quantgate.pipelines.authoring.check import Finding, SuiteReport
from quantgate.pipelines.report.wording import plural

if TYPE_CHECKING:
    from rich.console import Console


def as_json(report: SuiteReport) -> str:
    """Return the report as one JSON object; `ok` is false where there are problems."""
    return json.dumps({"ok": not report.problems, **asdict(report)}, indent=1, ensure_ascii=False)


def plain_lines(report: SuiteReport) -> Iterator[str]:
    """Yield the report for pipes and logs: `file:line: problem`, as compilers write it."""
    yield f"suite {report.name}: {report.items} items"
    for one, others in _grouped(report):
        yield f"{_place(one)}: {one.severity}: {one.text}{_repeated(others)}"
    for proof in report.slices:
        yield f"slice {proof.text}"
    for tail in report.tails:
        yield f"tail {tail.name}: " + (
            f"{tail.items} items" if tail.items else f"none; {tail.advice}"
        )
    yield _closing(report)


def show(report: SuiteReport, console: "Console") -> None:
    """Print the report on a terminal."""
    from rich.table import Table
    from rich.text import Text

    console.print(f"[bold]suite {report.name}[/]  {report.items} items", highlight=False)
    for one, others in _grouped(report):
        colour = "red" if one.severity == "problem" else "yellow"
        sign = "✗" if one.severity == "problem" else "!"
        console.print(
            Text.assemble(
                (f"{sign} ", colour), (_place(one), "dim"), f"  {one.text}{_repeated(others)}"
            )
        )
    if report.slices:
        limits = {one.limit for one in report.slices}
        shared = f", limit {limits.pop()}" if len(limits) == 1 else ""
        title = f"what each slice can prove{shared}"
        table = Table(title=title, title_justify="left", header_style="bold")
        for name in ("slice", "items", "verdict"):
            table.add_column(name, justify="right" if name == "items" else "left")
        for proof in report.slices:
            verdict = proof.text.partition("; ")[2]
            if shared:  # in 80 columns the same words again would take every row a second line
                verdict = verdict.replace(f"{shared})", ")")
            table.add_row(
                proof.name, str(proof.items), Text(verdict, "" if proof.can_pass else "yellow")
            )
        console.print(table)
    if report.tails:
        table = Table(
            title="tails in which quants break", title_justify="left", header_style="bold"
        )
        for name in ("tail", "items", "where there are none"):
            table.add_column(name, justify="right" if name == "items" else "left")
        for tail in report.tails:
            found = Text(str(tail.items), "green" if tail.items else "yellow")
            table.add_row(tail.name, found, "" if tail.items else tail.advice)
        console.print(table)
    console.print(Text(_closing(report), "red" if report.problems else "green"))


def _grouped(report: SuiteReport) -> list[tuple[Finding, int]]:
    """Problems before notes; each with the number of further lines of which the same is to be said."""
    first: dict[tuple[str, str, str], Finding] = {}
    counts: Counter[tuple[str, str, str]] = Counter()
    for one in sorted(report.findings, key=lambda finding: finding.severity != "problem"):
        key = (one.severity, one.where, one.text)
        first.setdefault(key, one)
        counts[key] += 1
    return [(one, counts[key] - 1) for key, one in first.items()]


def _repeated(others: int) -> str:
    return f" (and in {others} more lines)" if others else ""


def _place(one: Finding) -> str:
    return one.where if one.line is None else f"{one.where}:{one.line}"


def _closing(report: SuiteReport) -> str:
    notes = len(report.findings) - len(report.problems)
    lacking = sum(not tail.items for tail in report.tails)
    told = f"{plural(len(report.problems), 'problem')}, {plural(notes, 'note')}"
    return f"{told}, {lacking} tails without items" if report.tails else told
