"""The next larger recipe: one of this build that passed, and bundled ones of sizes that nobody tried."""

from collections.abc import Iterator

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.recipe import Calibration, Recipe
from quantgate.pipelines.engines.expected import expected_size
from quantgate.pipelines.report.build_report import BuildReport, VariantReport
from quantgate.pipelines.report.naming import short_name
from quantgate.pipelines.report.remedies.broken import broken_ids, kept_by
from quantgate.pipelines.report.remedies.remedy import Basis, Remedy
from quantgate.pipelines.report.wording import size
from quantgate.pipelines.specs.corpora_axis import plain_name
from quantgate.pipelines.specs.recipes import catalogue

_CLEARLY_LARGER = 1.03
"""A candidate's size is foretold from shapes: one within three percent says nothing of being larger."""


def larger_that_passed(report: BuildReport, variant: VariantReport) -> Remedy | None:
    """Return the smallest passing variant that is larger, those in the same runtime first."""
    own_bytes = variant.size_bytes
    passing = [v for v in report.variants if v.passed and v.size_bytes > own_bytes]
    if not own_bytes or not passing:
        return None
    runtime = variant.recipe.runtime
    best = min(passing, key=lambda v: (v.recipe.runtime != runtime, v.size_bytes))
    kept = kept_by(best, broken_ids(variant.verdict)) if variant.verdict else None
    keeps = f" and keeps {kept} that this one breaks" if kept and kept.broken else ""
    more = size(best.size_bytes - own_bytes)
    return Remedy(
        basis=Basis.MEASURED,
        text=f"{short_name(report, best)} is the next larger that passes: {more} more{keeps}",
        is_built=True,
    )


def untried_between(report: BuildReport, variant: VariantReport) -> Remedy | None:
    """Return the smallest bundled recipe of this format that is larger and was not in the build.

    It is smaller than the next larger variant that passes, where there is one. Sizes are foretold from the
    checkpoint's shapes.
    """
    own_bytes = variant.size_bytes
    if not own_bytes or variant.recipe.is_foreign:
        return None
    passing = [v.size_bytes for v in report.variants if v.passed and _same_kind(v, variant)]
    most = min((each for each in passing if each > own_bytes), default=None)
    candidates = [
        (expected, recipe)
        for expected, recipe in _candidates(report, variant.recipe)
        if expected > own_bytes * _CLEARLY_LARGER
        and (most is None or expected * _CLEARLY_LARGER < most)
    ]
    if not candidates:
        return None
    expected, recipe = min(candidates, key=lambda each: (each[0], each[1].name))
    where = " and below the next one that passes" if most is not None else ""
    return Remedy(
        basis=Basis.UNTRIED,
        text=f"{recipe.name} would take about {size(expected)}, above this one{where}",
        command=f"--recipes {recipe.name}",
    )


def _candidates(report: BuildReport, recipe: Recipe) -> Iterator[tuple[int, Recipe]]:
    tried = {plain_name(variant.recipe.name) for variant in report.variants}
    for each in catalogue():
        if each.name in tried or each.format is not recipe.format or each.runtime != recipe.runtime:
            continue
        if each.calibration is not Calibration.NONE and not report.corpora:
            continue
        try:
            yield expected_size(report.checkpoint, each).size_bytes, each
        except CheckpointError:  # does not fit its shapes
            continue


def _same_kind(variant: VariantReport, other: VariantReport) -> bool:
    return (variant.recipe.format, variant.recipe.runtime) == (
        other.recipe.format,
        other.recipe.runtime,
    )
