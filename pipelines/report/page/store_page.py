"""A page of all builds of a store: newest first, each with what it decided and a link to its own page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.files.records import write_text
from quantgate.pipelines.report.page.environment import page_environment, read_part
from quantgate.pipelines.report.page.view import SYMBOLS
from quantgate.pipelines.report.stored.result_file import StoredResult


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildChampion:
    """The smallest variant of a build that passes."""

    name: str
    size_bytes: int
    accuracy: float
    break_rate_bound: float
    registered_version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSummary:
    """One build in a line. `decision` is None where the base was judged on its own."""

    build: str
    created_at: str
    model: str
    suite: str
    corpora: tuple[str, ...]
    decision: str | None
    variants: int
    passed: int
    base_accuracy: float | None
    base_size_bytes: int
    champion: BuildChampion | None


def build_summary(result: StoredResult) -> BuildSummary:
    """Return a build in a line."""
    return BuildSummary(
        build=result.build,
        created_at=result.created_at,
        model=result.model.source,
        suite=f"{result.suite.name}@{result.suite.version}",
        corpora=tuple(corpus.label for corpus in result.corpora),
        decision=result.decision,
        variants=len(result.variants),
        passed=sum(variant.decision == "pass" for variant in result.variants),
        base_accuracy=result.references[0].accuracy if result.references else None,
        base_size_bytes=result.model.size_bytes,
        champion=_champion(result),
    )


def _champion(result: StoredResult) -> BuildChampion | None:
    best = result.champion
    if best is None or best.files is None or best.verdict is None or best.verdict.whole is None:
        return None
    whole = best.verdict.whole
    return BuildChampion(
        name=result.short_name(best),
        size_bytes=best.files.size_bytes,
        accuracy=whole.accuracy,
        break_rate_bound=whole.break_rate_bound,
        registered_version=best.registered_version,
    )


def write_store_page(summaries: Sequence[BuildSummary], path: Path) -> None:
    """Write the page beside the report folders that it links to, atomically."""
    write_text(path, render_store_page(summaries))


def render_store_page(summaries: Sequence[BuildSummary]) -> str:
    """Return the page as text; it needs no script and fetches nothing."""
    template = page_environment().get_template("store.html")
    return template.render(builds=summaries, style=read_part("page.css"), symbols=SYMBOLS)
