"""The same recipe with something else about it: another corpus, another KV cache."""

from quantgate.pipelines.report.build_report import BuildReport, VariantReport
from quantgate.pipelines.report.naming import short_name
from quantgate.pipelines.report.remedies.remedy import Basis, Remedy
from quantgate.pipelines.specs.corpora_axis import plain_name, split_corpus
from quantgate.pipelines.specs.kv_caches import without_kv_suffix

_FULL_CACHE = "f16"


def better_corpus(report: BuildReport, variant: VariantReport) -> Remedy | None:
    """Return the corpus on which the same recipe broke fewest items, where that is fewer than here."""
    recipe, corpus = split_corpus(variant.recipe.name)
    others = [
        other
        for other in report.variants
        if corpus is not None
        and split_corpus(other.recipe.name)[0] == recipe
        and other.recipe.kv_cache == variant.recipe.kv_cache
    ]
    return _fewer(report, variant, others, "calibrated on another corpus")


def better_cache(report: BuildReport, variant: VariantReport) -> Remedy | None:
    """Return the KV cache with which the same files broke fewest items, or that it was not tried."""
    plain = without_kv_suffix(variant.recipe.name)
    others = [v for v in report.variants if without_kv_suffix(v.recipe.name) == plain]
    fewer = _fewer(report, variant, others, "with another KV cache")
    if fewer is not None or variant.recipe.kv_cache == _FULL_CACHE or len(others) > 1:
        return fewer
    return Remedy(
        basis=Basis.UNTRIED,
        text=f"its cache is {variant.recipe.kv_cache}: the same files with a cache of {_FULL_CACHE}",
        command=""
        if variant.recipe.is_foreign
        else f"--recipes {plain_name(plain)} --kv {_FULL_CACHE}",
    )


def _fewer(
    report: BuildReport, variant: VariantReport, others: list[VariantReport], how: str
) -> Remedy | None:
    here = _broke(variant)
    broke = {other.identifier: _broke(other) for other in others}
    better = [
        (count, other)
        for other in others
        if here is not None and (count := broke[other.identifier]) is not None and count < here
    ]
    if not better:
        return None
    count, best = min(better, key=lambda each: (each[0], each[1].identifier))
    return Remedy(
        basis=Basis.MEASURED,
        text=f"{how}, {short_name(report, best)} broke {count} where this one broke {here}",
    )


def _broke(variant: VariantReport) -> int | None:
    verdict = variant.verdict
    if verdict is None or verdict.whole is None or verdict.not_asked:
        return None  # a run that ended early has fewer breaks for that reason alone
    return verdict.whole.statistics.broke
