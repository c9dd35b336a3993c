"""What the base does by itself: accuracy and noise in each runtime, and what a runtime alone changes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.verdicts.verdict import PairedItem, PairOutcome
from quantgate.pipelines.evaluation.order import reliable_margins
from quantgate.pipelines.paired.pairing import NoiseFloor, noise_floor, pair_across_runtimes
from quantgate.pipelines.report.build_report import BuildReport, ReferenceReport
from quantgate.pipelines.report.ledger.flips import changed_item
from quantgate.pipelines.report.wording import visible


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceAccuracy:
    """How many items of a slice the base gets right, and how many its repeats do not agree on."""

    name: str
    items: int
    right: int
    unstable: int

    @property
    def accuracy(self) -> float:
        """Share of items it gets right; 0 without items."""
        return self.right / self.items if self.items else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongItem:
    """An item that the base gets wrong; `answer` and `reason` are those of its primary run."""

    item_id: str
    slices: tuple[str, ...]
    question: str
    expected: str
    answer: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceSummary:
    """The base in one runtime; `slices` and the items it gets `wrong` are in suite order.

    `margins` are its closest decisions in what it gets reliably right, by item, as far as its runtime tells.
    """

    run: Run
    accuracy: float
    noise: NoiseFloor
    margins: Mapping[str, float]
    slices: tuple[SliceAccuracy, ...]
    wrong: tuple[WrongItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeDifference:
    """The base in two runtimes, paired: `broke` is right in `first` only, `fixed` in `second` only."""

    first: Run
    second: Run
    pairs: tuple[PairedItem, ...]

    def count(self, outcome: PairOutcome) -> int:
        """Return how many items have this outcome."""
        return sum(pair.outcome is outcome for pair in self.pairs)


def reference_summaries(report: BuildReport) -> tuple[ReferenceSummary, ...]:
    """Return one summary for each runtime in play."""
    return tuple(_summary(report.suite, reference) for reference in report.references)


def _summary(suite: Suite, reference: ReferenceReport) -> ReferenceSummary:
    noise = noise_floor(reference.runs)
    return ReferenceSummary(
        run=reference.primary,
        accuracy=reference.accuracy,
        noise=noise,
        margins=reliable_margins(reference.runs),
        slices=tuple(
            _slice(spec.name, suite, reference.primary, frozenset(noise.unstable))
            for spec in suite.slices
        ),
        wrong=tuple(_wrong(suite, reference.primary)),
    )


def _wrong(suite: Suite, run: Run) -> Iterator[WrongItem]:
    for item, graded in zip(suite.items, run.answers, strict=True):
        if graded.grade.correct:
            continue
        described = changed_item(item, ())
        yield WrongItem(
            item_id=item.id,
            slices=item.slices,
            question=described.question,
            expected=described.expected,
            answer=visible(graded.answer.text),
            reason=visible(graded.grade.reason),
        )


def _slice(name: str, suite: Suite, run: Run, unstable: frozenset[str]) -> SliceAccuracy:
    right = {graded.answer.item_id: graded.grade.correct for graded in run.answers}
    ids = [item.id for item in suite.items if name in item.slices]
    return SliceAccuracy(
        name=name,
        items=len(ids),
        right=sum(right[item_id] for item_id in ids),
        unstable=sum(item_id in unstable for item_id in ids),
    )


def runtime_differences(report: BuildReport) -> tuple[RuntimeDifference, ...]:
    """Compare the base in the first runtime with the base in each other one."""
    if not report.references:
        return ()
    first, *others = report.references
    return tuple(
        RuntimeDifference(
            first=first.primary,
            second=other.primary,
            pairs=pair_across_runtimes(
                suite=report.suite, reference_runs=first.runs, other=other.primary
            ),
        )
        for other in others
    )
