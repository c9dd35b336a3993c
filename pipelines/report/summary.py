"""One row a variant: for the table at the terminal and at the head of the JSON result and the page."""

from collections.abc import Iterable
from dataclasses import dataclass

from quantgate.pipelines.domain.verdicts.base_accuracy import LOW_BASE_ACCURACY
from quantgate.pipelines.domain.verdicts.verdict import Decision, SliceVerdict, Verdict
from quantgate.pipelines.gates.scopes import failing
from quantgate.pipelines.gates.wording import broke_in
from quantgate.pipelines.report.build_report import BuildReport, VariantReport
from quantgate.pipelines.report.references import SliceAccuracy, reference_summaries
from quantgate.pipelines.report.wording import percent

ERROR = "error"
_WORST_FIRST = (Decision.FAIL, Decision.INCONCLUSIVE, Decision.UNPROVEN, Decision.PASS)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRow:
    """One variant in short. What is not known (never built, never asked) is None.

    `decision` is `pass`, `fail`, `inconclusive`, or `error` where something stopped the variant.
    `worst_slice` reads `tail 3/41 (3 truncated)`: broke / reliably right, and how; None where no slice had
    a break. `broke_ways` says how items of the whole suite broke.
    Bits are those of the quantized weights, and of all weights of the file.
    `speed_ratio` and `memory_ratio` are the variant's share of the base's generated tokens a second and peak
    memory, None where it was not timed; `speed_rounds` are the least and the greatest of all rounds.
    `reason` is the worst slice's where slices failed, with the names of all others that did; else the first
    of the verdict's reasons, or the first line of the error.
    """

    identifier: str
    numerics: str
    size_bytes: int | None
    bits_per_weight: float | None
    reference_accuracy: float | None
    accuracy: float | None
    broke: int | None
    fixed: int | None
    reliable: int | None
    break_rate_bound: float | None
    mcnemar_p: float | None
    worst_slice: str | None
    decision: str
    reason: str
    registered_version: str | None
    file_bits_per_weight: float | None = None
    broke_ways: str = ""
    speed_ratio: float | None = None
    memory_ratio: float | None = None
    speed_rounds: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRow:
    """The base in one runtime in short. `unstable` counts items that its repeats do not agree on."""

    runtime: str
    device: str
    kernels: str
    items: int
    accuracy: float
    repeats: int
    unstable: int
    slices: tuple[SliceAccuracy, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseRow:
    """The base in one runtime against the checkpoint itself, in short.

    `cause` and `waived` are "" where nothing has one, or is.
    """

    engine: str
    mean_kl: float | None
    passed: bool
    finding: str
    cause: str
    waived: str


def base_rows(report: BuildReport) -> tuple[BaseRow, ...]:
    """Return one row a runtime, in order of first use."""
    return tuple(
        BaseRow(
            engine=base.engine,
            mean_kl=base.divergence.mean_kl if base.divergence else None,
            passed=base.finding.passed,
            finding=base.finding.found,
            cause=base.cause,
            waived=str(base.waiver) if base.waiver else "",
        )
        for base in report.bases
    )


def reference_rows(report: BuildReport) -> tuple[ReferenceRow, ...]:
    """Return one row a runtime, in order of first use."""
    return tuple(
        ReferenceRow(
            runtime=summary.run.contract.runtime.engine,
            device=summary.run.contract.runtime.device,
            kernels=summary.run.contract.runtime.kernels,
            items=summary.noise.items,
            accuracy=summary.accuracy,
            repeats=summary.noise.repeats,
            unstable=len(summary.noise.unstable),
            slices=summary.slices,
        )
        for summary in reference_summaries(report)
    )


def variant_rows(report: BuildReport) -> tuple[VariantRow, ...]:
    """Return one row a variant, in plan order."""
    return tuple(_row(variant) for variant in report.variants)


def worst_slice(verdict: Verdict) -> SliceVerdict | None:
    """Return the slice with breaks that stands worst: by decision, then rate, then count."""
    broken = [judged for judged in verdict.slices if judged.statistics.broke]
    return min(
        broken,
        key=lambda judged: (
            _WORST_FIRST.index(judged.decision),
            -judged.statistics.break_rate,
            -judged.statistics.broke,
        ),
        default=None,
    )


def decision_word(variant: VariantReport) -> str:
    """Return the variant's decision, or `error` where something stopped it.

    Inconclusive is also what was not built because nothing can pass.
    """
    if variant.unprovable:
        return Decision.INCONCLUSIVE.value
    return variant.verdict.decision.value if variant.verdict else ERROR


def _row(report: VariantReport) -> VariantRow:
    verdict = report.verdict
    counted = verdict.whole.statistics if verdict and verdict.whole else None
    worst = worst_slice(verdict) if verdict else None
    return VariantRow(
        identifier=report.identifier,
        numerics=str(report.recipe.numerics),
        size_bytes=report.variant.size_bytes if report.variant else None,
        bits_per_weight=report.variant.facts.bits_per_weight if report.variant else None,
        reference_accuracy=counted.reference_accuracy if counted else None,
        accuracy=counted.variant_accuracy if counted else None,
        broke=counted.broke if counted else None,
        fixed=counted.fixed if counted else None,
        reliable=counted.reliable if counted else None,
        break_rate_bound=counted.break_rate_bound if counted else None,
        mcnemar_p=counted.mcnemar_p if counted else None,
        worst_slice=_cell(worst) if worst else None,
        decision=decision_word(report),
        reason=_reason(report),
        registered_version=report.registered_version,
        file_bits_per_weight=report.variant.facts.file_bits_per_weight if report.variant else None,
        broke_ways=broke_in(counted) if counted else "",
        speed_ratio=_ratio(report, "generated_tokens_per_second"),
        memory_ratio=_ratio(report, "peak_memory_bytes"),
        speed_rounds=_speed_rounds(report),
    )


def _ratio(report: VariantReport, name: str) -> float | None:
    figure = report.speed.figure(name) if report.speed else None
    return figure.ratio.median if figure else None


def _speed_rounds(report: VariantReport) -> tuple[float, float] | None:
    figure = report.speed.figure("generated_tokens_per_second") if report.speed else None
    return (figure.ratio.low, figure.ratio.high) if figure else None


def _cell(worst: SliceVerdict) -> str:
    """A cell is narrow: the most frequent way stands for all; the reason names three."""
    counted = worst.statistics
    first = [f"{broken.count} {broken.way}" for broken in counted.broke_ways[:1]]
    more = ["…"] if len(counted.broke_ways) > 1 else []
    ways = f" ({', '.join([*first, *more])})" if first else ""
    return f"{worst.name} {counted.broke}/{counted.reliable}{ways}"


def _reason(report: VariantReport) -> str:
    """The reason to read first: what the audit missed, else the slice that the row names as the worst."""
    verdict = report.verdict
    reasons = (*(verdict.reasons if verdict else ()), *(report.failure or "").splitlines())
    first = next(iter(reasons), "not judged")
    missed = report.audit is not None and report.audit.misses
    if verdict is None or verdict.whole is None or missed:
        return first
    worst, failed = worst_slice(verdict), failing(verdict.whole, verdict.slices)
    if worst is None or worst not in failed or verdict.decision is not Decision.FAIL:
        return first
    others = [
        "the whole suite" if scope is verdict.whole else scope.name
        for scope in failed
        if scope is not worst
    ]
    also = f"; also failing: {', '.join(others)}" if others else ""
    return f"{worst.reason}{also}"


def base_warnings(rows: Iterable[ReferenceRow]) -> tuple[str, ...]:
    """Say where the base itself is right too rarely for a pass to mean much: one sentence a runtime."""
    return tuple(
        f"the base itself gets {percent(row.accuracy)} of the items right in {row.runtime}: what passes is "
        "as good as that, and what the base gets wrong was never held against a variant"
        for row in rows
        if row.items and row.accuracy < LOW_BASE_ACCURACY
    )
