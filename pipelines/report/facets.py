"""What graders score apart from right and wrong, summed up: JSON that parses, arguments, scripts, units, …"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from quantgate.pipelines.domain.run import GradedAnswer
from quantgate.pipelines.domain.verdicts.verdict import PairedItem


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetRow:
    """One facet of one grader: mean scores, 0 to 1, over the `items` that both were scored on.

    `fell` and `rose` count items on which the variant scored lower or higher than the reference.
    """

    grader: str
    facet: str
    items: int
    reference: float
    variant: float
    fell: int
    rose: int


def facet_rows(items: Sequence[PairedItem]) -> tuple[FacetRow, ...]:
    """Return a row for every facet, in order of first appearance; none where graders score nothing apart."""
    scores: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for item in items:
        before, after = _scores(item.reference), _scores(item.variant)
        for name in before.keys() & after.keys():
            scores[item.variant.grade.grader, name].append((before[name], after[name]))
    order = _in_order(items)
    return tuple(
        FacetRow(
            grader=grader,
            facet=facet,
            items=len(pairs),
            reference=sum(before for before, _ in pairs) / len(pairs),
            variant=sum(after for _, after in pairs) / len(pairs),
            fell=sum(after < before for before, after in pairs),
            rose=sum(after > before for before, after in pairs),
        )
        for (grader, facet), pairs in sorted(scores.items(), key=lambda score: order[score[0]])
    )


def _scores(graded: GradedAnswer) -> dict[str, float]:
    return {facet.name: facet.score for facet in graded.grade.facets}


def _in_order(items: Sequence[PairedItem]) -> dict[tuple[str, str], int]:
    seen = (
        (item.variant.grade.grader, facet.name)
        for item in items
        for facet in item.variant.grade.facets
    )
    return {key: number for number, key in enumerate(dict.fromkeys(seen))}
