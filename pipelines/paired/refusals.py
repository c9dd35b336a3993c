"""How often the reference refused and how often the variant did, item by item."""

from collections import Counter
from collections.abc import Sequence

from quantgate.pipelines.domain.run import GradedAnswer
from quantgate.pipelines.domain.verdicts.verdict import PairedItem, RefusalStatistics
from quantgate.pipelines.paired.clusters import effective_items, group_of
from quantgate.pipelines.paired.interval import difference_lower_bound

REFUSED = "refused"
"""The facet by which a grader tells refusals: 1 where the answer is one, 0 where it is not."""


def refusal_statistics(items: Sequence[PairedItem], confidence: float) -> RefusalStatistics | None:
    """Count refusals on the items of which the reference's grade tells them; None where none does.

    A variant's answer that is not told (the runtime reported an error) counts as no refusal.
    """
    graded = [
        (item, refused) for item in items if (refused := _refused(item.reference)) is not None
    ]
    if not graded:
        return None
    count = len(graded)
    before = sum(refused for _, refused in graded)
    changed = [(item, bool(_refused(item.variant)) - refused) for item, refused in graded]
    changes = Counter([change for _, change in changed])
    more, fewer = changes[1], changes[-1]
    share = effective_items(group_of(item) for item, _ in graded) / count
    return RefusalStatistics(
        items=count,
        reference_refused=before,
        variant_refused=before + more - fewer,
        increase=(more - fewer) / count,
        increase_upper_bound=-difference_lower_bound(
            gained=fewer * share, lost=more * share, items=count * share, confidence=confidence
        ),
        more_groups=len({group_of(item) for item, change in changed if change > 0}),
    )


def _refused(graded: GradedAnswer) -> bool | None:
    """Whether an answer is a refusal (most of an item's samples are); None where its grade does not tell."""
    for facet in graded.grade.facets:
        if facet.name == REFUSED:
            return facet.score > 0.5
    return None
