"""What runtimes that compute on this machine, in child processes, do alike."""

from dataclasses import replace
from typing import ClassVar

from typing_extensions import override

from quantgate.pipelines.domain.recipe import Numerics
from quantgate.pipelines.domain.run import Schedule
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.domain.verdicts.audit import Divergence
from quantgate.pipelines.engines.binding.identity import answering_digest
from quantgate.pipelines.engines.checkpoint_logits import compare_with_checkpoint
from quantgate.pipelines.engines.divergence.base_messages import PositionDivergences
from quantgate.pipelines.engines.requests import (
    AnswerRequest,
    AnswerTally,
    BaseDivergenceRequest,
    DivergenceRequest,
    ProbeReport,
    ProbeRequest,
)
from quantgate.pipelines.engines.runtime import Runtime
from quantgate.pipelines.engines.worker_calls import call_of
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.process.calls import OnProgress, RunWorker
from quantgate.pipelines.process.endings.causes import run_confirmed

_PROBE_TIMEOUT_SECONDS = 1800.0


class NativeRuntime(Runtime):
    """A runtime whose workers compute here: modules `answer`, `probe`, `divergence` and `base_divergence`."""

    workers: ClassVar[str]
    """The package that its workers stand in."""
    slots: ClassVar[int] = 32
    """How many answers are decoded at once."""

    @override
    def constrains(self) -> bool:
        """Say that JSON schemas bind answers, by grammars."""
        return True

    @override
    def source_digest(self) -> Digest:
        return answering_digest(f"{self.workers}.answer")

    @override
    def schedule(self, threads: int) -> Schedule:
        return Schedule(slots=self.slots, threads=threads)

    @override
    def server_access(self) -> None:
        return None

    @override
    def divergence_digest(self, numerics: Numerics | None) -> Digest:
        code = (source_digest(f"{self.workers}.{name}") for name in ("answer", "divergence"))
        return digest_of([to_json(self.identity(numerics)), *code])

    @override
    def divergence(
        self, request: DivergenceRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> Divergence:
        """Hold a variant against its base in the form that this runtime loads, its KV cache as it answers."""
        call = call_of(f"{self.workers}.divergence", request)
        return run_worker(call, Divergence, on_progress).value

    @override
    def base_divergence(
        self, request: BaseDivergenceRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> PositionDivergences | None:
        """Hold what this runtime computes when it answers against the checkpoint computed plainly."""
        worker = f"{self.workers}.base_divergence"
        return compare_with_checkpoint(worker, request, run_worker, on_progress)

    @override
    def answer(
        self, request: AnswerRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> None:
        run_worker(call_of(f"{self.workers}.answer", request), AnswerTally, on_progress)

    def confirmed_probe(
        self, request: ProbeRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> ProbeReport:
        """Have a worker load something and decode it once; a crash counts only when it comes twice.

        Raises:
            QuantgateError: as `run_worker`.
        """
        call = call_of(f"{self.workers}.probe", request)
        patient = replace(call, timeout_seconds=_PROBE_TIMEOUT_SECONDS)
        return run_confirmed(run_worker, patient, ProbeReport, on_progress)
