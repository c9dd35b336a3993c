"""The seam to engines that answer items."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import Numerics, Recipe
from quantgate.pipelines.domain.run import RuntimeIdentity, Schedule
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.domain.verdicts.audit import Divergence
from quantgate.pipelines.engines.contents import Contents
from quantgate.pipelines.engines.divergence.base_messages import (
    PositionDivergences,
)
from quantgate.pipelines.engines.prompt_lengths import HeldAtOnce, PromptSet
from quantgate.pipelines.engines.requests import (
    AnswerRequest,
    BaseDivergenceRequest,
    DivergenceRequest,
    Loadable,
    ProbeReport,
    ProbeRequest,
    ServedProbeReport,
)
from quantgate.pipelines.process.calls import OnProgress, RunWorker


class ServerAccess(Protocol):
    """What only a runtime that answers through a server has."""

    def refused(self, stops: Sequence[str], schema: str | None) -> str | None:
        """Return what of a request with these stop texts and schema this engine refuses; None for nothing."""
        ...

    def compares(self, base: Loadable) -> bool:
        """Say whether `base_divergence` needs the checkpoint's own logits, as far as can be said before."""
        ...

    def probe_served(
        self,
        request: ProbeRequest,
        control: Loadable,
        run_worker: RunWorker,
        on_progress: OnProgress,
    ) -> ServedProbeReport:
        """Probe a file through the server that will answer.

        `control` is the base, which is started before a file is held not to load; for the base it is itself.

        Raises:
            ServiceError, WorkerError: for every trouble that is not the file's fault.
        """
        ...

    def kept(self, loadable: Loadable) -> AbstractContextManager[None]:
        """Keep what is started for a loadable until the block ends; blocks may be nested."""
        ...


class Runtime(Protocol):
    """Loads checkpoints of some formats and answers prompts, in child processes."""

    def missing(self) -> str | None:
        """Return None when the engine is installed, else one sentence: what is missing and how to get it."""
        ...

    def constrains(self) -> bool:
        """Say whether a prompt's JSON schema binds its answer here; prompts with one are refused else."""
        ...

    def identity(self, subject: Recipe | Numerics | None) -> RuntimeIdentity:
        """Return what will answer, without importing it.

        The subject is a recipe's variants, or a base: its own numerics where it is low-bit, else None.
        """
        ...

    def source_digest(self) -> Digest:
        """Return the digest of this runtime's own worker code, which may influence tokens."""
        ...

    def reference(
        self, checkpoint: Checkpoint, scratch: Path, run_worker: RunWorker, on_progress: OnProgress
    ) -> Loadable:
        """Return the base in a form this runtime loads (converted once into `scratch`).

        Raises:
            CheckpointError: where it is low-bit and this runtime would have to expand it first.
        """
        ...

    def refusal(self, checkpoint: Checkpoint) -> str | None:
        """Return why the base cannot be loaded here, whatever is built of it; None where it can."""
        ...

    def schedule(self, threads: int) -> Schedule:
        """Return this runtime's default schedule."""
        ...

    def held_at_once(self, asked: PromptSet, schedule: Schedule, _weights: int, /) -> HeldAtOnce:
        """Return what answering these prompts holds at once at most, of a model with so many weights."""
        return asked.held(schedule.slots)

    def probe(
        self, request: ProbeRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> ProbeReport:
        """Load, compare token ids, decode once. A loadable that does not load is a report, not an error."""
        ...

    def server_access(self) -> "ServerAccess | None":
        """Return what a server that answers offers beside answers, None where none does."""
        ...

    def contents(self, loadable: Loadable) -> Contents:
        """Return what the files say of themselves, without loading them.

        Raises:
            CheckpointError: where a file is damaged or cut off.
        """
        ...

    def divergence_digest(self, numerics: Numerics | None) -> Digest:
        """Return the digest of what a base's logits depend on beside base, tokens and threads.

        Engine, versions, device and code of the runtime that measures: a server's native one.
        """
        ...

    def divergence(
        self, request: DivergenceRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> Divergence:
        """Return how far a variant drifts from its base; infinitely where its logits are not finite.

        Raises:
            CheckpointError: where one of them does not load, or their vocabularies differ.
            InputError, ToolchainError, WorkerError: with the log's path.
        """
        ...

    def base_divergence(
        self, request: BaseDivergenceRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> PositionDivergences | None:
        """Return how far the base is from the checkpoint itself; None where nothing tells probabilities.

        Raises:
            CheckpointError: where one of them does not load.
            InputError, ToolchainError, ServiceError, WorkerError: with the log's path.
        """
        ...

    def answer(
        self, request: AnswerRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> None:
        """Answer every prompt that `request.answers` does not hold yet.

        Raises:
            ToolchainError, WorkerError: with the log's path.
        """
        ...


def kept(runtime: Runtime, loadable: Loadable) -> AbstractContextManager[None]:
    """Keep what a runtime starts for a loadable until the block ends; most start nothing that stays."""
    access = runtime.server_access()
    return access.kept(loadable) if access else nullcontext()
