"""What the base does by itself: accuracy and noise in each runtime, and what a runtime alone changes."""

from dataclasses import dataclass

from pipelines.domain.run import Run
from pipelines.domain.verdict import PairedItem, PairOutcome
from pipelines.paired.pairing import NoiseFloor, noise_floor, pair_across_runtimes
from pipelines.report.build_report import BuildReport


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceSummary:
    """The base in one runtime."""

    run: Run
    accuracy: float
    noise: NoiseFloor


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
    return tuple(
        ReferenceSummary(
            run=reference.primary,
            accuracy=reference.accuracy,
            noise=noise_floor(reference.runs),
        )
        for reference in report.references
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
