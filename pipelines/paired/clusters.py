"""How much evidence items are that share a cause: one document, one conversation.

A few breaks say nothing about how strongly items of a group break together, so nothing is estimated: they
are taken to break together always (intra-class correlation one). That makes Kish's design effect (Kish,
"Survey Sampling", 1965, section 8.2; deff = 1 + (m - 1) rho for groups of m) as large as it can be, and
`n**2 / sum(m**2)` items are left, as many as there are groups where all are equally large. Counts scaled
to that number go through the exact formulas, as in Korn & Graubard, "Confidence intervals for proportions
with small expected number of positive counts estimated from survey data", Survey Methodology 24 (1998).
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

from quantgate.pipelines.domain.verdicts.verdict import PairedItem


def group_of(item: PairedItem) -> tuple[bool, str]:
    """Return an item's group; one of no group is one by itself, whatever a group may be called."""
    return (False, item.item_id) if item.group is None else (True, item.group)


def share_groups(items: Sequence[PairedItem]) -> bool:
    """Whether any two items are of one group."""
    named = [item.group for item in items if item.group is not None]
    return len(set(named)) < len(named)


def effective_items(groups: Iterable[Hashable]) -> float:
    """Return how many independent items these amount to, given each one's group; 0 without items."""
    sizes = Counter(groups).values()
    items = sum(sizes)
    return items**2 / sum(size**2 for size in sizes) if items else 0.0


def with_more_items(items: int, effective: float, more: int) -> float:
    """Return how many independent items there are once `more` have come, each in a group of its own."""
    if not items:
        return float(more)
    return (items + more) ** 2 / (items**2 / effective + more)
