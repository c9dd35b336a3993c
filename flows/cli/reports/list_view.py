"""What a store's builds show: one row each, newest first, and where their page lies."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from quantgate.flows.cli.views.blocks import Block, Heading, Sentence, TableBlock, row
from quantgate.pipelines.report.page.store_page import BuildSummary
from quantgate.pipelines.report.wording import percent, plural, size


def builds_blocks(summaries: Sequence[BuildSummary], page: Path) -> Iterator[Block]:
    """Yield what is shown of the builds that a page lists."""
    headings = ("build", "made", "suite", "decision", "smallest that passes", "passed")
    yield TableBlock(
        title="Builds",
        headings=tuple(map(Heading, headings)),
        rows=tuple(
            row(cells, " · ".join(cell for cell in cells if cell))
            for cells in map(_cells, summaries)
        ),
    )
    yield Sentence.of(f"{plural(len(summaries), 'build')}: {page}")


def _cells(summary: BuildSummary) -> tuple[str, ...]:
    champion = summary.champion
    best = (
        f"{champion.name}, {size(champion.size_bytes)}, {percent(champion.accuracy)}"
        if champion
        else ""
    )
    return (
        summary.build,
        summary.created_at,
        summary.suite,
        summary.decision or "base alone",
        best,
        f"{summary.passed} of {summary.variants}" if summary.variants else "",
    )
