"""What charts show of a build: one point a judged variant, and the base."""

from collections.abc import Sequence
from dataclasses import dataclass

from quantgate.pipelines.domain.speed import Speed
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.report.build_report import BuildReport, VariantReport
from quantgate.pipelines.report.naming import short_name


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartPoint:
    """A variant that was asked: `low` to `high` is the base's accuracy plus the paired interval.

    `champion` is the smallest that passes. `mean_kl` (nats a token) and `tokens_per_second` are None where
    they were not measured; the latter is of a serving runtime alone. `speed` is None where the
    variant was not timed.
    """

    name: str
    size_bytes: int
    accuracy: float
    low: float
    high: float
    decision: Decision
    champion: bool
    mean_kl: float | None
    tokens_per_second: float | None
    speed: Speed | None = None


def chart_points(report: BuildReport) -> tuple[ChartPoint, ...]:
    """Return a point for every variant that was asked, in plan order."""
    smallest = report.smallest_passing
    points = (_point(report, variant, variant is smallest) for variant in report.variants)
    return tuple(point for point in points if point is not None)


def _point(report: BuildReport, variant: VariantReport, champion: bool) -> ChartPoint | None:
    whole = variant.verdict.whole if variant.verdict else None
    if variant.variant is None or variant.verdict is None or whole is None:
        return None
    counted = whole.statistics
    base = counted.reference_accuracy
    divergence = variant.audit.divergence if variant.audit else None
    return ChartPoint(
        name=short_name(report, variant),
        size_bytes=variant.variant.size_bytes,
        accuracy=counted.variant_accuracy,
        low=max(0.0, base + counted.delta_interval.low),
        high=min(1.0, base + counted.delta_interval.high),
        decision=variant.verdict.decision,
        champion=champion,
        mean_kl=divergence.mean_kl if divergence else None,
        tokens_per_second=variant.tokens_per_second,
        speed=variant.speed,
    )


def pareto_front(points: Sequence[ChartPoint]) -> tuple[ChartPoint, ...]:
    """Return the points that no other is at most as large as and at least as accurate; smallest first.

    Of two that are alike in both the first counts.
    """
    front: list[ChartPoint] = []
    for point in sorted(points, key=lambda each: (each.size_bytes, -each.accuracy)):
        if not front or point.accuracy > front[-1].accuracy:
            front.append(point)
    return tuple(front)
