"""What tests of observed graders share: an answer observed by the grader's real worker, and graded."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from quantgate.pipelines.domain.run import Grade
from quantgate.pipelines.domain.suites.suite import GraderKind, GraderSpec, Item
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.evaluation.graders.protocol import ObservedGrader
from quantgate.pipelines.evaluation.graders.table import grader_for
from quantgate.pipelines.evaluation.observing import (
    ObservationRunner,
    ObserveCall,
    ObserveTally,
    Question,
)
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import (
    OnProgress,
    Reply,
    RunWorker,
    WorkerCall,
    WorkerReply,
    ignore_progress,
)
from quantgate.pipelines.process.runner import run_worker


def observed_grader(kind: str, **options: JsonValue) -> ObservedGrader:
    """Return an observed grader with these options."""
    grader = grader_for(GraderSpec(kind=cast("GraderKind", kind), options=options))
    assert isinstance(grader, ObservedGrader)
    return grader


class InPlace:
    """Calls a worker's function in this process, as unit tests start none."""

    def __init__(self, observe: Callable[[ObserveCall, OnProgress], ObserveTally]) -> None:
        """Remember the function."""
        self._observe = observe

    def __call__(
        self, call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
    ) -> WorkerReply[Reply]:
        """Call it; it writes its observations itself."""
        assert isinstance(call.request, ObserveCall)
        tally = self._observe(call.request, on_progress)
        return WorkerReply(value=cast("Reply", tally), seconds=0.0, peak_memory_bytes=0)


def grades(
    grader: ObservedGrader,
    answered: Sequence[tuple[Item, str]],
    folder: Path,
    runner: RunWorker = run_worker,
) -> list[Grade]:
    """Return the grades of answers, observed by the grader's worker in one call."""
    numbered = [(replace(item, id=str(n)), text) for n, (item, text) in enumerate(answered)]
    asked = [Question(id=item.id, question=grader.question(text, item)) for item, text in numbered]
    observation_runner = ObservationRunner(store=Store(root=folder), run_worker=runner, threads=2)
    seen = observation_runner.observe(grader, asked, ignore_progress)
    return [grader.grade_observed(text, item, seen[item.id]) for item, text in numbered]
