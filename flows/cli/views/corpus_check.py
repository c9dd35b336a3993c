"""How a report on a corpus looks: tables on a terminal, plain lines elsewhere, JSON on request."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from quantgate.calibration.checks.check import CorpusReport, ModelReport
from quantgate.pipelines.authoring.check import Finding
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.report.wording import plural

if TYPE_CHECKING:
    from rich.console import Console


def as_json(report: CorpusReport) -> str:
    """Return the report as one JSON object; `ok` is false where there are problems."""
    from dataclasses import asdict

    return json.dumps(
        {"ok": not report.problems, **asdict(report)}, indent=1, ensure_ascii=False, default=to_json
    )


def plain_lines(report: CorpusReport) -> Iterator[str]:
    """Yield the report for pipes and logs: `where: problem: text`, as compilers write it."""
    yield f"corpus {report.corpus}: {report.sequences} sequences, suite {report.suite}: {report.items} items"
    for one in _ordered(report):
        yield f"{one.where}: {one.severity}: {one.text}"
    if report.model:
        for cells in _uses(report.model):
            name, backend, wanted, taken, sequences = cells
            yield f"recipe {name}: {taken} of {wanted} wanted tokens in {sequences} sequences ({backend})"
        for cells in _tokens(report.model):
            name, tokens, unseen, rare, share, _ = cells
            yield f"slice {name}: {unseen} of {tokens} tokens unseen, {rare} rare, {share} of its text"
        yield f"experts: {_experts(report.model)}"
    yield _closing(report)


def show(report: CorpusReport, console: "Console") -> None:
    """Print the report on a terminal."""
    from rich.table import Table
    from rich.text import Text

    console.print(
        Text.assemble(
            (f"corpus {report.corpus}", "bold"),
            f"  {report.sequences:,} sequences, against suite {report.suite}, {report.items:,} items",
        )
    )
    for one in _ordered(report):
        sign, colour = ("✗ ", "red") if one.severity == "problem" else ("! ", "yellow")
        console.print(Text.assemble((sign, colour), one.text))
    if report.model:
        tables = (
            (
                "what each recipe takes",
                ("recipe", "backend", "wanted", "taken", "sequences"),
                _uses,
            ),
            (
                "tokens of the suite",
                ("slice", "tokens", "unseen", "rare", "of its text", "digits unseen"),
                _tokens,
            ),
        )
        for title, heads, rows in tables:
            table = Table(title=title, title_justify="left", header_style="bold")
            for head in heads:
                table.add_column(
                    head, justify="left" if head in ("recipe", "backend", "slice") else "right"
                )
            for cells in rows(report.model):
                table.add_row(*map(Text, cells))
            console.print(table)
        console.print(Text(f"experts: {_experts(report.model)}"))
    console.print(Text(_closing(report), "red" if report.problems else "green"))


def _ordered(report: CorpusReport) -> list[Finding]:
    return sorted(report.findings, key=lambda one: one.severity != "problem")


def _uses(model: ModelReport) -> Iterator[tuple[str, ...]]:
    for use in model.uses:
        yield (
            use.recipe,
            use.backend,
            f"{use.wanted_tokens:,}",
            f"{use.tokens:,}",
            f"{use.sequences:,}",
        )


def _tokens(model: ModelReport) -> Iterator[tuple[str, ...]]:
    for one in model.tokens:
        yield (
            one.slice,
            str(one.distinct),
            str(one.unseen),
            str(one.rare),
            f"{one.unseen_share:.1%}",
            f"{one.digits_unseen} of {one.digits}",
        )


def _experts(model: ModelReport) -> str:
    if not model.is_sparse:
        return "the model has none"
    found = model.experts
    if found is None:
        return "unknown; no importance matrix of this corpus and model is in the store"
    return (
        f"{found.experts - found.unreached} of {found.experts} reached; the least used gets "
        f"{found.least_share:.1%} of an even share ({found.most_starved})"
    )


def _closing(report: CorpusReport) -> str:
    notes = len(report.findings) - len(report.problems)
    return f"{plural(len(report.problems), 'problem')}, {plural(notes, 'note')}"
