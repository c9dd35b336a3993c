"""Two runs judged on their transcripts, for programs and notebooks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quantgate.flows.cli.judge import JudgeOptions, judge_runs
from quantgate.flows.interface.changes import AnswerChanges, changes_of
from quantgate.flows.interface.tables import frame_of, html_table
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.verdicts.verdict import SliceVerdict, Verdict
from quantgate.pipelines.report.ledger.flips import listed_pairs

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedSlice:
    """A slice in short; the first one is the whole suite, `all`."""

    name: str
    items: int
    reference_accuracy: float
    variant_accuracy: float
    reliable: int
    broke: int
    fixed: int
    break_rate_bound: float
    decision: str
    reason: str


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """The verdict on one run against another, from their transcripts alone; no file was audited.

    `graded_by` says what told right from wrong.
    """

    verdict: Verdict
    graded_by: str

    @property
    def decision(self) -> str:
        """`pass`, `fail` or `inconclusive`."""
        return self.verdict.decision.value

    @property
    def slices(self) -> tuple[JudgedSlice, ...]:
        """The whole suite, then its slices."""
        whole = (self.verdict.whole,) if self.verdict.whole else ()
        return tuple(map(_judged, (*whole, *self.verdict.slices)))

    def changed(self) -> AnswerChanges:
        """Return every answer that changed, the broken ones first."""
        return changes_of(self.verdict.subject, listed_pairs(self.verdict.items))

    def to_frame(self) -> "DataFrame":
        """Return a row a slice.

        Raises:
            ToolchainError: pandas is not installed.
        """
        return frame_of(self.slices, JudgedSlice)

    def _repr_html_(self) -> str:
        headings = ("slice", "items", "reference", "variant", "broke", "bound", "decision", "why")
        rows = (
            (
                each.name,
                each.items,
                f"{each.reference_accuracy:.1%}",
                f"{each.variant_accuracy:.1%}",
                f"{each.broke}/{each.reliable}",
                f"{each.break_rate_bound:.1%}",
                each.decision,
                each.reason,
            )
            for each in self.slices
        )
        return html_table(headings, rows, f"{self.verdict.subject}: {self.decision}")


def judge(
    reference: str | Path,
    variant: str | Path | Sequence[str | Path],
    *,
    suite: str | Path | None = None,
    policy: str | Path | None = None,
    repeats: Sequence[str | Path] = (),
    agreement: bool = False,
) -> JudgedRun:
    """Pair one run with a reference and judge it, as `quantgate judge` does, logs of other tools included.

    `repeats` are further runs of the reference, for the noise floor; of the variant all runs are named where
    the policy asks for several. `agreement` asks whether the variant answers as the reference does, where
    nobody wrote what is right.

    Raises:
        QuantgateError: a run cannot be read, or the two are not comparable.
    """
    asked = [variant] if isinstance(variant, str | Path) else list(variant)
    if not asked:
        raise InputError("no run of the variant is named", next_step="name at least one")
    first, *others = asked
    options = JudgeOptions(
        reference=Path(reference),
        variant=Path(first),
        suite=None if suite is None else Path(suite),
        policy=None if policy is None else Path(policy),
        repeat=tuple(Path(path) for path in repeats),
        variant_repeat=tuple(Path(path) for path in others),
        agreement=agreement,
    )
    judged = judge_runs(options, Settings.from_environment())
    return JudgedRun(judged.verdict, judged.graded_by)


def _judged(scope: SliceVerdict) -> JudgedSlice:
    counted = scope.statistics
    return JudgedSlice(
        name=scope.name,
        items=counted.items,
        reference_accuracy=counted.reference_accuracy,
        variant_accuracy=counted.variant_accuracy,
        reliable=counted.reliable,
        broke=counted.broke,
        fixed=counted.fixed,
        break_rate_bound=counted.break_rate_bound,
        decision=scope.decision.value,
        reason=scope.reason,
    )
