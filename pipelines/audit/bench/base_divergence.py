"""The base in each runtime held against the checkpoint itself: once a checkpoint and runtime, and sealed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from quantgate.pipelines.audit.base_divergence import Comparison, rounding_of, summary
from quantgate.pipelines.audit.bench.bench import AuditBench, base_in
from quantgate.pipelines.audit.bench.computing import UNBOUND, ComputingPlan, computing_plan
from quantgate.pipelines.audit.bench.identity import base_divergence_digest
from quantgate.pipelines.audit.reach import unreached_at
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.domain.verdicts.base_divergence import BaseDivergence
from quantgate.pipelines.engines.checkpoint_logits import compute_logits, computed_by, logits_folder
from quantgate.pipelines.engines.divergence.base_messages import CheckpointLogitsCall
from quantgate.pipelines.engines.loading_report import LoadingReport
from quantgate.pipelines.engines.requests import BaseDivergenceRequest, Loadable
from quantgate.pipelines.engines.runtime import Runtime
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.sealed import is_sealed, is_sealed_anywhere, produce_once
from quantgate.pipelines.files.sealed_values import Missing, Sealed, sealed_record
from quantgate.pipelines.process.calls import (
    NothingStartsError,
    RunWorker,
    ignore_progress,
    start_nothing,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseDivergenceRecord:
    """What stands in the manifest: the divergence, or one sentence why there is none."""

    divergence: BaseDivergence | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseComparison:
    """The base in a runtime, about to be held against its checkpoint, once its own audit has passed.

    `loading` is what transformers makes of the checkpoint's configuration.
    """

    bench: AuditBench
    runtime_name: str
    longest_sequence_tokens: int
    base: Loadable
    loading: LoadingReport
    plan: ComputingPlan

    @classmethod
    def of(
        cls, bench: AuditBench, runtime_name: str, longest_sequence_tokens: int
    ) -> "BaseComparison":
        """Plan how the base in a runtime is held against its checkpoint.

        Raises:
            CheckpointError, ToolchainError, WorkerError: from the child processes that load either.
        """
        loading = _loading(bench, bench.run_worker)
        base = bench.base(runtime_name)
        planned = cls._planned(bench, runtime_name, longest_sequence_tokens, base, loading)
        return planned._widened(is_sealed_anywhere)

    @classmethod
    def from_sealed(
        cls, bench: AuditBench, runtime_name: str, longest_sequence_tokens: int
    ) -> "Sealed[BaseComparison] | Missing":
        """As `of`, where what it depends on was made: nothing starts here."""
        base = bench.sealed_base(runtime_name)
        if isinstance(base, Missing):
            return base
        try:
            loading = _loading(bench, start_nothing)
        except NothingStartsError:
            return Missing(base_in(runtime_name))
        planned = cls._planned(bench, runtime_name, longest_sequence_tokens, base.value, loading)
        return Sealed(planned._widened(is_sealed))

    @classmethod
    def _planned(
        cls,
        bench: AuditBench,
        runtime_name: str,
        longest_sequence_tokens: int,
        base: Loadable,
        loading: LoadingReport,
    ) -> "BaseComparison":
        """Plan within this machine's memory."""
        return cls(
            bench=bench,
            runtime_name=runtime_name,
            longest_sequence_tokens=longest_sequence_tokens,
            base=base,
            loading=loading,
            plan=computing_plan(bench.checkpoint, loading.config, bench.memory),
        )

    def _widened(self, is_there: Callable[[Path], bool]) -> "BaseComparison":
        """Return the comparison of a machine with more memory, where one has compared already."""
        unbound = computing_plan(self.checkpoint, self.loading.config, UNBOUND)
        wider = replace(self, plan=unbound)
        return wider if unbound != self.plan and is_there(wider.folder) else self

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint itself."""
        return self.bench.checkpoint

    @property
    def runtime(self) -> Runtime:
        """What computes the base."""
        return self.bench.runtimes[self.runtime_name]

    @property
    def in_llamacpp(self) -> bool:
        """Whether llama.cpp computes, whoever calls it."""
        return self.runtime.identity(self.checkpoint.numerics).kernels == "native"

    @property
    def key(self) -> Digest:
        """All that the outcome depends on."""
        runtime, served = self.runtime, self.runtime.server_access()
        return digest_of(
            [
                self.checkpoint.digests.combined,
                self.base.path.parent.name if self.base.path.is_file() else "",
                to_json(runtime.identity(self.checkpoint.numerics)),
                runtime.source_digest(),
                to_json(self.plan),
                computed_by(),
                *([self.longest_sequence_tokens] if served else []),
                base_divergence_digest(),
            ]
        )

    @property
    def folder(self) -> Path:
        """Where the outcome is sealed."""
        subject = f"{self.checkpoint.name}--base-divergence-{self.runtime_name}"
        return self.bench.store.audit(subject, self.key)

    def sealed(self) -> Sealed[BaseDivergenceRecord] | Missing:
        """Return the outcome where it was measured."""
        return sealed_record(self.folder, BaseDivergenceRecord, base_in(self.runtime_name))

    def made(self) -> BaseDivergenceRecord:
        """Return how far the base in the runtime is from the checkpoint itself, measured if nobody has.

        Raises:
            CheckpointError, InputError, ServiceError, ToolchainError, WorkerError: from the child processes.
        """

        def produce(_: Path) -> BaseDivergenceRecord:
            if self.plan.reason:
                return BaseDivergenceRecord(divergence=None, reason=self.plan.reason)
            measured = self.measure(self.request(), "compare with the checkpoint")
            reason = "" if measured else "not measured: this runtime tells no log probabilities"
            return BaseDivergenceRecord(divergence=measured, reason=reason)

        return produce_once(self.folder, BaseDivergenceRecord, produce).record

    def compute_before_serving(self) -> None:
        """Compute the checkpoint's own logits while no server takes memory, where they will be needed.

        Raises:
            CheckpointError, ToolchainError, WorkerError: from the child process.
        """
        access = self.runtime.server_access()
        if access is None or self.plan.reason or not access.compares(self.base):
            return
        if is_sealed_anywhere(self.folder):
            return
        with self.bench.show(
            "compute the checkpoint itself", base_in(self.runtime_name)
        ) as progress:
            compute_logits(self.request(), self.bench.run_worker, progress)

    def request(self, changes: str = "") -> BaseDivergenceRequest:
        """Return what the runtime is asked; `changes` are made to the checkpoint's configuration."""
        checkpoint, plan = self.checkpoint, self.plan
        output = logits_folder(
            self.bench.scratch, checkpoint, plan.passages, plan.compute_dtype, changes
        )
        served = self.runtime.server_access() is not None
        return BaseDivergenceRequest(
            base=self.base,
            checkpoint_logits=CheckpointLogitsCall(
                checkpoint=checkpoint.folder,
                passages=plan.passages,
                compute_dtype=plan.compute_dtype,
                output=output,
                changes=changes,
            ),
            threads=self.bench.threads,
            context_tokens=self.longest_sequence_tokens if served else 0,
            log=self.bench.store.logs
            / f"base-divergence-{checkpoint.name}-{self.runtime_name}.log",
        )

    def measure(self, request: BaseDivergenceRequest, step: str) -> BaseDivergence | None:
        """Return what is measured, None where nothing tells probabilities; `step` is shown meanwhile.

        Raises:
            CheckpointError, InputError, ServiceError, ToolchainError, WorkerError: from the child processes.
        """
        with self.bench.show(step, base_in(self.runtime_name)) as progress:
            measured = self.runtime.base_divergence(request, self.bench.run_worker, progress)
        if measured is None:
            return None
        plan = self.plan
        compared = Comparison(
            passages=plan.passages,
            found=measured,
            compute_dtype=plan.compute_dtype,
            unreached=plan.unreached if measured.asked is None else self._unreached(measured.asked),
        )
        return summary(compared, rounding_of(plan.compute_dtype, self._computed_in))

    @property
    def _computed_in(self) -> str:
        """What the runtime computes in; llama.cpp rounds what it multiplies as weights are stored."""
        origin = self.checkpoint.origin
        if origin is not None and self.base.path == origin.file:
            return origin.file_type.lower()
        identity = self.runtime.identity(self.checkpoint.numerics)
        return "f32" if self.in_llamacpp else identity.compute_dtype

    def _unreached(self, asked: Sequence[Sequence[int]]) -> tuple[str, ...]:
        """What a server was not asked far enough for: it has room for what the suite asks, and no more."""
        last = max(position for each in asked for position in each)
        context_tokens = self.checkpoint.context_length_tokens
        left = unreached_at(self.loading.config, last_position=last, context_tokens=context_tokens)
        return tuple(str(reason) for reason in left)


def _loading(bench: AuditBench, run_worker: RunWorker) -> LoadingReport:
    return bench.report_loading(bench.checkpoint, bench.store, run_worker, ignore_progress)
