"""What the page shows, in the order it shows it; the template only lays it out."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from quantgate.pipelines.domain.verdicts.verdict import (
    Decision,
    PairOutcome,
    RuleVerdict,
    SliceVerdict,
)
from quantgate.pipelines.gates.wording import limit
from quantgate.pipelines.report.build_report import BuildReport, VariantReport
from quantgate.pipelines.report.checkpoint_notes import checkpoint_notes
from quantgate.pipelines.report.corpus_comparison import CorpusComparison, corpus_comparisons
from quantgate.pipelines.report.facets import FacetRow, facet_rows
from quantgate.pipelines.report.ledger.alike import BrokenAlike, broken_alike
from quantgate.pipelines.report.ledger.entries import Ledger, ledger
from quantgate.pipelines.report.ledger.flips import (
    ChangedItem,
    changed_between,
    changed_items,
)
from quantgate.pipelines.report.naming import short_name
from quantgate.pipelines.report.page.decision import DecisionView, decision_view
from quantgate.pipelines.report.predictions.foretold import ForetoldBreaks, foretold_breaks
from quantgate.pipelines.report.references import (
    ReferenceSummary,
    RuntimeDifference,
    reference_summaries,
    runtime_differences,
)
from quantgate.pipelines.report.remedies.remedies import remedies
from quantgate.pipelines.report.remedies.remedy import Remedy
from quantgate.pipelines.report.summary import (
    ERROR,
    VariantRow,
    base_warnings,
    reference_rows,
    variant_rows,
)
from quantgate.pipelines.report.wording import percent, plural

SYMBOLS = {
    Decision.PASS.value: "✓",
    Decision.FAIL.value: "✕",
    Decision.INCONCLUSIVE.value: "?",
    Decision.UNPROVEN.value: "○",
    ERROR: "!",
}
_SCALE_IN_LIMITS = 2.0
_GROUPS_ALIKE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """Break rate and bound against the limit, each as percent of a scale that ends at twice the limit."""

    rate: float
    bound: float
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantView:
    """One variant: its row, what it is called on the page, its slices in suite order."""

    name: str
    anchor: str
    row: VariantRow
    report: VariantReport
    gauge: Gauge | None
    cells: tuple[SliceVerdict, ...]
    outcomes: tuple[tuple[str, int], ...]
    rules: tuple[RuleVerdict, ...]
    facets: tuple[FacetRow, ...]
    remedies: tuple[Remedy, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceView:
    """The base in two runtimes, with the items it answers differently."""

    difference: RuntimeDifference
    items: tuple[ChangedItem, ...]
    right_in_first_only: int
    right_in_second_only: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """The whole page. `short_names` maps identifiers to what the page calls them."""

    report: BuildReport
    headline: str
    lead: str
    limit: str
    variants: tuple[VariantView, ...]
    short_names: Mapping[str, str]
    items: tuple[ChangedItem, ...]
    ledger: Ledger
    alike: tuple[BrokenAlike, ...]
    references: tuple[ReferenceSummary, ...]
    differences: tuple[DifferenceView, ...]
    comparisons: tuple[CorpusComparison, ...]
    base_warnings: tuple[str, ...]
    notes: tuple[str, ...]
    decision: DecisionView | None
    foretold: ForetoldBreaks | None


def page_view(report: BuildReport) -> PageView:
    """Arrange a build for its page.

    Raises:
        InputError: where the reference runs do not belong together.
    """
    names = {variant.identifier: short_name(report, variant) for variant in report.variants}
    anchors = {variant.identifier: f"variant-{n}" for n, variant in enumerate(report.variants)}
    tries = remedies(report)
    return PageView(
        report=report,
        headline=_headline(report),
        lead=_lead(report),
        limit=limit(report.policy),
        variants=tuple(
            _variant_view(
                report,
                variant,
                row,
                anchors[variant.identifier],
                tries.get(variant.identifier, ()),
            )
            for variant, row in zip(report.variants, variant_rows(report), strict=True)
        ),
        decision=decision_view(report, tries, anchors) if report.variants else None,
        short_names=names,
        items=changed_items(report),
        ledger=ledger(report),
        alike=broken_alike(report)[:_GROUPS_ALIKE],
        references=reference_summaries(report),
        differences=tuple(_difference_view(report, d) for d in runtime_differences(report)),
        comparisons=corpus_comparisons(report),
        base_warnings=base_warnings(reference_rows(report)),
        notes=checkpoint_notes(report.checkpoint),
        foretold=foretold_breaks(report),
    )


def _headline(report: BuildReport) -> str:
    if not report.variants:
        accuracies = [percent(reference.accuracy) for reference in report.references]
        right = " and ".join(accuracies)
        return f"The base by itself gets {right} right" if right else "The base could not be judged"
    smallest = report.smallest_passing
    if smallest:
        return f"Ship {short_name(report, smallest)}"
    if report.unprovable:
        return "Nothing can pass: the base is reliably right on too few items"
    if report.decision is Decision.INCONCLUSIVE:
        return "Nothing passes yet: more items would settle it"
    return "No variant passes"


def _lead(report: BuildReport) -> str:
    if not report.variants:
        return (
            "No recipe was asked for: the checkpoint is judged as it is, and is its own reference."
        )
    counts = Counter(row.decision for row in variant_rows(report))
    parts = [
        f"{counts[decision]} {word}"
        for decision, word in (
            (Decision.PASS.value, "passed"),
            (Decision.FAIL.value, "failed"),
            (Decision.INCONCLUSIVE.value, "inconclusive"),
            (ERROR, "could not be judged"),
        )
        if counts[decision]
    ]
    return f"Of {plural(len(report.variants), 'variant')}, {', '.join(parts) or 'none was built'}."


def _variant_view(
    report: BuildReport,
    variant: VariantReport,
    row: VariantRow,
    anchor: str,
    tries: tuple[Remedy, ...],
) -> VariantView:
    verdict = variant.verdict
    outcomes = Counter(pair.outcome for pair in verdict.items) if verdict else Counter()
    cells = (verdict.whole, *verdict.slices) if verdict and verdict.whole else ()
    return VariantView(
        name=short_name(report, variant),
        anchor=anchor,
        row=row,
        report=variant,
        gauge=_gauge(verdict.whole, report) if verdict and verdict.whole else None,
        cells=cells,
        outcomes=tuple((outcome.value, outcomes[outcome]) for outcome in PairOutcome),
        rules=tuple(rule for cell in cells for rule in cell.rules),
        facets=facet_rows(verdict.items) if verdict else (),
        remedies=tries,
    )


def _gauge(whole: SliceVerdict, report: BuildReport) -> Gauge:
    scale = _SCALE_IN_LIMITS * report.policy.max_break_rate

    def place(share: float) -> float:
        return round(100 * min(1.0, share / scale), 1)

    return Gauge(
        rate=place(whole.statistics.break_rate),
        bound=place(whole.statistics.break_rate_bound),
        limit=place(report.policy.max_break_rate),
    )


def _difference_view(report: BuildReport, difference: RuntimeDifference) -> DifferenceView:
    return DifferenceView(
        difference=difference,
        items=changed_between(
            report.suite, difference.second.contract.runtime.engine, difference.pairs
        ),
        right_in_first_only=difference.count(PairOutcome.BROKE),
        right_in_second_only=difference.count(PairOutcome.FIXED),
    )
