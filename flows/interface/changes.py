"""Answers that changed between two runs, as rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from quantgate.flows.interface.tables import frame_of, html_table
from quantgate.pipelines.domain.verdicts.verdict import PairedItem, PairOutcome

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerChange:
    """One item that two runs answer differently; `outcome` is a `PairOutcome` in words.

    `stable` is false where the reference disagrees with itself. `reason` says what the grader has against the
    variant's answer, or for it.
    """

    item_id: str
    slices: tuple[str, ...]
    outcome: str
    stable: bool
    reference: str
    variant: str
    reason: str


@dataclass(frozen=True, slots=True)
class AnswerChanges(Sequence[AnswerChange]):
    """All answers of `subject` that changed. It is a sequence, and shows itself in a notebook."""

    subject: str
    rows: tuple[AnswerChange, ...]

    @overload
    def __getitem__(self, index: int) -> AnswerChange: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[AnswerChange, ...]: ...
    def __getitem__(self, index: int | slice) -> AnswerChange | tuple[AnswerChange, ...]:
        """Return one change, or some of them."""
        return self.rows[index]

    def __len__(self) -> int:
        """Return how many answers changed."""
        return len(self.rows)

    @property
    def broken(self) -> tuple[AnswerChange, ...]:
        """Those that were right and are wrong now."""
        return tuple(row for row in self.rows if row.outcome == PairOutcome.BROKE)

    def to_frame(self) -> "DataFrame":
        """Return a row an answer.

        Raises:
            ToolchainError: pandas is not installed.
        """
        return frame_of(self.rows, AnswerChange)

    def _repr_html_(self) -> str:
        rows = (
            (
                row.item_id,
                row.outcome,
                ", ".join(row.slices),
                row.reference,
                row.variant,
                row.reason,
            )
            for row in self.rows
        )
        headings = ("item", "outcome", "slices", "reference", "variant", "why")
        return html_table(headings, rows, f"{self.subject}: {len(self.rows)} changed answers")


def changes_of(subject: str, pairs: Sequence[PairedItem]) -> AnswerChanges:
    """Return the pairs whose answers are not the same, by the graders' canonical forms."""
    return AnswerChanges(subject, tuple(_changed(pairs)))


def _changed(pairs: Sequence[PairedItem]) -> Iterator[AnswerChange]:
    for pair in pairs:
        if pair.outcome in (PairOutcome.BOTH_RIGHT, PairOutcome.BOTH_WRONG_SAME):
            continue
        yield AnswerChange(
            item_id=pair.item_id,
            slices=pair.slices,
            outcome=pair.outcome.value,
            stable=pair.stable,
            reference=pair.reference.shown,
            variant=pair.variant.shown,
            reason=pair.variant.grade.reason,
        )
