"""What stands first on a page: ship this, because; not these, because; next, try this."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from quantgate.pipelines.domain.verdicts.verdict import Decision, SliceVerdict
from quantgate.pipelines.gates.wording import limit, percent_bound
from quantgate.pipelines.report.build_report import BuildReport, VariantReport
from quantgate.pipelines.report.naming import short_name
from quantgate.pipelines.report.remedies.remedy import Basis, Remedy
from quantgate.pipelines.report.summary import VariantRow, variant_rows
from quantgate.pipelines.report.wording import percent, plural, points, ratio, size, speed_figure

_NAMED_REJECTIONS = 6
_NAMED_REMEDIES = 4
_AS_LARGE = 1.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipping:
    """The variant to ship and why, a sentence each."""

    name: str
    anchor: str
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A variant that is not to be shipped: its decision and, after its name, why."""

    name: str
    anchor: str
    decision: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NextTry:
    """A remedy and the variant that it is for."""

    name: str
    anchor: str
    remedy: Remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionView:
    """The decision. `shipping` is None where nothing passes; `more_rejections` are not named."""

    shipping: Shipping | None
    rejections: tuple[Rejection, ...]
    more_rejections: int
    next_tries: tuple[NextTry, ...]


def decision_view(
    report: BuildReport, remedies: Mapping[str, tuple[Remedy, ...]], anchors: Mapping[str, str]
) -> DecisionView:
    """Arrange the decision of a build that has variants."""
    rows = {row.identifier: row for row in variant_rows(report)}
    chosen = report.smallest_passing
    others = sorted(
        (variant for variant in report.variants if variant is not chosen),
        key=lambda variant: _weight(variant, chosen),
    )
    rejections = [_rejection(report, v, rows[v.identifier], anchors) for v in others]
    return DecisionView(
        shipping=_shipping(report, chosen, anchors) if chosen else None,
        rejections=tuple(rejections[:_NAMED_REJECTIONS]),
        more_rejections=max(0, len(rejections) - _NAMED_REJECTIONS),
        next_tries=tuple(_next_tries(report, others, remedies, anchors))[:_NAMED_REMEDIES],
    )


def _weight(variant: VariantReport, chosen: VariantReport | None) -> tuple[bool, bool, int]:
    """Smaller ones first, the largest of them leading: that is what shipping gives up. Errors come last."""
    here, most = variant.size_bytes, chosen.size_bytes if chosen else 0
    larger = chosen is not None and here >= most
    return here == 0, larger, here if larger else -here


def _shipping(report: BuildReport, chosen: VariantReport, anchors: Mapping[str, str]) -> Shipping:
    return Shipping(
        name=short_name(report, chosen),
        anchor=anchors[chosen.identifier],
        because=tuple(_because(report, chosen)),
    )


def _because(report: BuildReport, chosen: VariantReport) -> Iterator[str]:
    whole = chosen.verdict.whole if chosen.verdict else None
    if whole is None or chosen.verdict is None:
        return
    counted, runtime = whole.statistics, chosen.verdict.contract.runtime
    yield (
        f"it is the smallest that passes: {size(chosen.size_bytes)}, where the base takes"
        f" {size(report.checkpoint.size_bytes)}"
    )
    yield (
        f"it broke {counted.broke} of {counted.reliable} reliably right items: at most"
        f" {percent_bound(counted.break_rate_bound)} with {100 * report.policy.whole_confidence:.4g} %"
        f" confidence, and the limit is {limit(report.policy)}"
    )
    yield (
        f"accuracy is {percent(counted.variant_accuracy)} where the base's is"
        f" {percent(counted.reference_accuracy)} ({points(counted.delta_interval.low)} to"
        f" {points(counted.delta_interval.high)} points)"
    )
    unproven = chosen.verdict.unproven_slices
    if unproven:
        yield f"too few items to prove, and nothing against it: {', '.join(unproven)}"
    yield (
        f"that is said of {runtime.engine} {runtime.version} on {runtime.device}, {runtime.kv_cache} KV"
        f" cache, {chosen.kernels} kernels"
    )
    if speed := _speed_of(chosen):
        yield speed
    if chosen.registered_version:
        yield f"registered as version {chosen.registered_version}"


def _speed_of(chosen: VariantReport) -> str:
    """Say how fast it is beside its base, and in how much memory; "" where it was not timed."""
    generated = chosen.speed.figure("generated_tokens_per_second") if chosen.speed else None
    memory = chosen.speed.figure("peak_memory_bytes") if chosen.speed else None
    if generated is None:
        return ""
    held = f", in {ratio(memory.ratio.median)} of its memory" if memory else ""
    least, most = ratio(generated.ratio.low), ratio(generated.ratio.high)
    rounds = f" ({least} to {most}, by round)" if least != most else ""
    return (
        f"it generates {speed_figure(generated).partition(' ')[0]} tokens a second,"
        f" {ratio(generated.ratio.median)} of what the base does{rounds}{held}"
    )


def _rejection(
    report: BuildReport, variant: VariantReport, row: VariantRow, anchors: Mapping[str, str]
) -> Rejection:
    because, chosen = row.reason, report.smallest_passing
    failed = _failed_scopes(report, variant)
    if failed:
        worst = failed[0].statistics
        others = len(failed) - 1
        verb = "fails" if others == 1 else "fail"
        also = f"; {plural(others, 'more slice')} {verb}" if others else ""
        because = (
            f"broke {worst.broke} of {worst.reliable} in {failed[0].name} ({percent(worst.break_rate)}),"
            f" limit {_limit_of(report, failed[0])}{also}"
        )
    if variant.passed and chosen is not None:
        times = variant.size_bytes / chosen.size_bytes
        because = (
            "passes as well, and is as large"
            if times < _AS_LARGE
            else f"passes as well, and is {times:.1f} times as large"
        )
    return Rejection(
        name=short_name(report, variant),
        anchor=anchors[variant.identifier],
        decision=row.decision,
        because=because,
    )


def _failed_scopes(report: BuildReport, variant: VariantReport) -> tuple[SliceVerdict, ...]:
    """The slices whose break rate failed, the worst first; none where the audit did."""
    if variant.verdict is None or (variant.audit and variant.audit.misses):
        return ()
    slices = [s for s in variant.verdict.slices if _breaks_too_often(report, s)]
    return tuple(sorted(slices, key=lambda s: (-s.statistics.break_rate, -s.statistics.broke)))


def _breaks_too_often(report: BuildReport, scope: SliceVerdict) -> bool:
    """Whether a slice fails by its breaks, and not by another rule alone."""
    if scope.decision is not Decision.FAIL or not scope.statistics.broke:
        return False
    most = report.policy.slice_limits(scope.name).max_break_rate
    return scope.critical or scope.statistics.break_rate > most


def _limit_of(report: BuildReport, scope: SliceVerdict) -> str:
    if scope.critical:
        return "none at all"
    return limit(report.policy.slice_limits(scope.name))


def _next_tries(
    report: BuildReport,
    others: list[VariantReport],
    remedies: Mapping[str, tuple[Remedy, ...]],
    anchors: Mapping[str, str],
) -> Iterator[NextTry]:
    """What is new first: a variant that passes already is no news where one is shipped."""
    nearest = [v for v in others if v.identifier in remedies]
    rank = {Basis.COMPUTED: 0, Basis.MEASURED: 1, Basis.UNTRIED: 2}
    tries = [
        NextTry(name=short_name(report, v), anchor=anchors[v.identifier], remedy=remedy)
        for v in nearest
        for remedy in remedies[v.identifier]
        if not remedy.is_built or report.smallest_passing is None
    ]
    seen: set[str] = set()
    for each in sorted(tries, key=lambda each: rank[each.remedy.basis]):
        if each.remedy.text not in seen and each.name not in seen:
            seen |= {each.remedy.text, each.name}
            yield each
