"""Items that several variants break: which together, and whether they say the same."""

from collections import defaultdict
from dataclasses import dataclass

from quantgate.pipelines.domain.verdicts.verdict import PairedItem, PairOutcome
from quantgate.pipelines.report.build_report import BuildReport
from quantgate.pipelines.report.naming import short_name


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenAlike:
    """Items that these variants break and no other does; on `same_answer` of them all say the same."""

    variants: tuple[str, ...]
    items: tuple[str, ...]
    same_answer: int


def broken_alike(report: BuildReport) -> tuple[BrokenAlike, ...]:
    """Return every group of two variants or more that breaks something together, most items first."""
    breaking: dict[str, dict[str, PairedItem]] = defaultdict(dict)
    for variant in report.variants:
        for pair in variant.verdict.items if variant.verdict else ():
            if pair.stable and pair.outcome is PairOutcome.BROKE:
                breaking[pair.item_id][short_name(report, variant)] = pair
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for item_id, pairs in breaking.items():
        if len(pairs) > 1:
            groups[tuple(pairs)].append(item_id)
    alike = [
        BrokenAlike(
            variants=variants,
            items=tuple(ids),
            same_answer=sum(_same(breaking[item_id]) for item_id in ids),
        )
        for variants, ids in groups.items()
    ]
    return tuple(sorted(alike, key=lambda group: (-len(group.items), -len(group.variants))))


def _same(pairs: dict[str, PairedItem]) -> bool:
    return len({pair.variant.grade.canonical for pair in pairs.values()}) == 1
