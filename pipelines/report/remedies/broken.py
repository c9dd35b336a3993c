"""What a variant broke, and how much of that another one keeps."""

from dataclasses import dataclass

from quantgate.pipelines.domain.verdicts.verdict import PairOutcome, Verdict
from quantgate.pipelines.report.build_report import VariantReport


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptItems:
    """Of the items that one variant broke and another was asked, how many the other gets right."""

    broken: int
    right: int

    @property
    def share(self) -> float:
        """Share of the broken items that are right; 0 without any."""
        return self.right / self.broken if self.broken else 0.0

    def __str__(self) -> str:
        return f"{self.right} of the {self.broken} items"


def broken_ids(verdict: Verdict) -> frozenset[str]:
    """Return the stable items that a variant broke."""
    return frozenset(
        item.item_id for item in verdict.items if item.stable and item.outcome is PairOutcome.BROKE
    )


def kept_by(other: VariantReport, broken: frozenset[str]) -> KeptItems:
    """Return how many of the broken items another variant of the build gets right."""
    items = other.verdict.items if other.verdict else ()
    asked = [item for item in items if item.item_id in broken]
    right = sum(item.variant.grade.correct for item in asked)
    return KeptItems(broken=len(asked), right=right)
