"""A build for a pull request: the decision, one table, and what did not pass and why."""

from collections.abc import Iterator

from quantgate.pipelines.gates.wording import percent_bound
from quantgate.pipelines.report.stored.result_file import StoredResult, StoredVariant
from quantgate.pipelines.report.tables.build_tables import reason_of
from quantgate.pipelines.report.tables.table import Cell
from quantgate.pipelines.report.tables.writing import escaped, markdown_table
from quantgate.pipelines.report.wording import percent, points, size

_SYMBOLS = {"pass": "✅", "fail": "❌", "inconclusive": "❔", "error": "⚠️"}
_HEADINGS = ("variant", "verdict", "accuracy, base → variant", "broke", "at most", "points", "size")


def build_markdown(result: StoredResult) -> str:
    """Return a build as Markdown: a few lines that fit into a pull request."""
    return "\n".join(_parts(result))


def _parts(result: StoredResult) -> Iterator[str]:
    champion = result.champion
    name = escaped(result.short_name(champion)) if champion else None
    suite = f"{result.suite.name}@{result.suite.version}"
    decided = f"ship **{name}**" if name else f"**{result.decision or 'the base alone'}**"
    yield f"### quantgate: {decided}\n"
    yield f"{escaped(result.model.name)} on {escaped(suite)} ({result.suite.items} items), build"
    yield f"`{result.build}`\n"
    if result.variants:
        yield markdown_table(_HEADINGS, [_row(result, variant) for variant in result.variants])
    reasons = [v for v in result.variants if v.decision != "pass"]
    if reasons:
        yield "<details><summary>Why not the others</summary>\n"
        for variant in reasons:
            yield f"- **{escaped(result.short_name(variant))}**: {escaped(reason_of(variant))}"
        yield "\n</details>"
    yield ""


def _row(result: StoredResult, variant: StoredVariant) -> tuple[Cell, ...]:
    verdict = f"{_SYMBOLS.get(variant.decision, '')} {variant.decision}"
    if variant.registered_version:
        verdict += f", version {variant.registered_version}"
    whole = variant.verdict.whole if variant.verdict else None
    numbers: tuple[Cell, ...] = (None, None, None, None)
    if whole is not None:
        numbers = (
            f"{percent(whole.reference_accuracy)} → {percent(whole.accuracy)}",
            f"{whole.broke} of {whole.reliable}",
            percent_bound(whole.break_rate_bound),
            f"{points(whole.delta_interval.low)} to {points(whole.delta_interval.high)}",
        )
    files = variant.files
    return result.short_name(variant), verdict, *numbers, size(files.size_bytes) if files else None
