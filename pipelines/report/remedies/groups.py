"""Which groups of weights a break hangs on: measured where two variants differ in a few groups alone."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from quantgate.pipelines.domain.variant import Variant
from quantgate.pipelines.report.build_report import BuildReport, VariantReport
from quantgate.pipelines.report.naming import short_name
from quantgate.pipelines.report.remedies.broken import KeptItems, broken_ids, kept_by
from quantgate.pipelines.report.remedies.remedy import Basis, Remedy

_NUMBER = re.compile(r"\.\d+\.")
_PREFIXES = re.compile(
    r"^(?:model\.)?(?:language_model\.)?(?:blk|layers|decoder\.layers)\.|\.weight$"
)
_SAME_BITS = 0.01
_MOST_RAISED = 4
_LEAST_KEPT = 0.25
"""Below this share of the broken items nothing is concluded from what another variant keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Raised:
    """A variant that differs by more bits in `groups`, and in no other way; `kept` of what broke."""

    variant: VariantReport
    groups: tuple[str, ...]
    kept: KeptItems


def groups_that_matter(report: BuildReport, variant: VariantReport) -> Remedy | None:
    """Return which groups of weights, held in more bits by another variant of the build, keep broken items.

    Only variants of one format, algorithm, corpus and runtime are compared, and only where some groups are
    alike in both and none is held in fewer bits: what is kept is then due to those groups.
    """
    if variant.variant is None or variant.verdict is None or variant.recipe.is_foreign:
        return None  # of files that somebody else made nobody knows how
    broken, own_bits = broken_ids(variant.verdict), group_bits(variant.variant)
    raised = [
        _Raised(variant=other, groups=groups, kept=kept)
        for other in report.variants
        if other.variant is not None
        and _how_made_and_served(other.variant) == _how_made_and_served(variant.variant)
        and (groups := raised_groups(own_bits, group_bits(other.variant)))
        and (kept := kept_by(other, broken)).share >= _LEAST_KEPT
    ]
    if not raised:
        return None
    best = max(raised, key=lambda each: (each.kept.right, -len(each.groups)))
    named = ", ".join(best.groups)
    return Remedy(
        basis=Basis.MEASURED,
        text=f"a mix that keeps {named} in more bits: {short_name(report, best.variant)} differs in"
        f" these alone, and keeps {best.kept} that this one breaks",
    )


def _how_made_and_served(variant: Variant) -> tuple[object, ...]:
    """All that two variants have to share for their groups to be what differs; mixing is what does."""
    recipe = variant.recipe
    algorithm = recipe.algorithm.partition(", mixed")[0]
    made = (recipe.format, algorithm, recipe.calibration, variant.corpus_digest)
    return (*made, recipe.runtime, recipe.kv_cache)


def group_bits(variant: Variant) -> Mapping[str, float]:
    """Return the mean bits a weight of every group: tensors of one name, whatever their layer."""
    bits: dict[str, float] = defaultdict(float)
    weights: dict[str, int] = defaultdict(int)
    for tensor in variant.facts.tensors:
        group = _PREFIXES.sub("", _NUMBER.sub(".", tensor.name))
        bits[group] += tensor.bits_per_weight * tensor.parameter_count
        weights[group] += tensor.parameter_count
    return {group: bits[group] / weights[group] for group in bits if weights[group]}


def raised_groups(before: Mapping[str, float], after: Mapping[str, float]) -> tuple[str, ...]:
    """Return the groups that have more bits after, most first.

    Empty where groups differ in name, where any has fewer bits, and where too many have more to tell them
    apart.
    """
    if before.keys() != after.keys():
        return ()
    gains = {group: after[group] - before[group] for group in before}
    raised = [group for group, gain in gains.items() if gain > _SAME_BITS]
    if min(gains.values(), default=0.0) < -_SAME_BITS or len(raised) > min(
        _MOST_RAISED, len(gains) - 1
    ):
        return ()
    return tuple(sorted(raised, key=lambda group: (-gains[group], group)))
