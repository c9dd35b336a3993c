"""Waivers: named, dated, expiring exceptions that stay in the lineage."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class ContaminationWaiver:
    """One item may stand in the corpus: why, who says so, and until when (that day included).

    `corpus` is the label of the one that would have been refused without it; "" before that is known.
    """

    item_id: str
    reason: str
    who: str
    expires: date
    corpus: str = ""

    def holds_on(self, day: date) -> bool:
        """Whether it has not expired."""
        return day <= self.expires

    def __str__(self) -> str:
        return f"{self.item_id}: {self.reason} ({self.who}, until {self.expires.isoformat()})"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseDivergenceWaiver:
    """Variants may be judged where their base is another model than the checkpoint: why, who, until when.

    `engine` is the one that would have been refused without it; "" before that is known.
    """

    reason: str
    who: str
    expires: date
    engine: str = ""

    def holds_on(self, day: date) -> bool:
        """Whether it has not expired."""
        return day <= self.expires

    def __str__(self) -> str:
        where = f"{self.engine}: " if self.engine else ""
        return f"{where}{self.reason} ({self.who}, until {self.expires.isoformat()})"
