"""What to try next for each variant that does not pass, what was measured before what was not."""

from collections.abc import Iterator, Mapping

from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.report.build_report import BuildReport, VariantReport
from quantgate.pipelines.report.remedies.axes import better_cache, better_corpus
from quantgate.pipelines.report.remedies.groups import groups_that_matter
from quantgate.pipelines.report.remedies.larger import larger_that_passed, untried_between
from quantgate.pipelines.report.remedies.more_items import more_items
from quantgate.pipelines.report.remedies.remedy import Basis, Remedy

_FIRST = (Basis.COMPUTED, Basis.MEASURED, Basis.UNTRIED)


def remedies(report: BuildReport) -> Mapping[str, tuple[Remedy, ...]]:
    """Return remedies by identifier, of every variant that was judged and does not pass."""
    return {
        variant.identifier: tuple(
            sorted(_of(report, variant), key=lambda remedy: _FIRST.index(remedy.basis))
        )
        for variant in report.variants
        if variant.verdict is not None and variant.verdict.decision is not Decision.PASS
    }


def _of(report: BuildReport, variant: VariantReport) -> Iterator[Remedy]:
    if variant.verdict is None:
        return
    rows = {
        scope: rows
        for (identifier, scope), rows in report.rows_to_write.items()
        if identifier == variant.identifier
    }
    yield from more_items(variant.verdict, report.policy, report.checkpoint.source, rows)
    for look in (
        better_corpus,
        better_cache,
        groups_that_matter,
        larger_that_passed,
        untried_between,
    ):
        remedy = look(report, variant)
        if remedy is not None:
            yield remedy
