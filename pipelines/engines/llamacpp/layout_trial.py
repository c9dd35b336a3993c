"""GGUF files of others tried in llama.cpp before anything is paid for; what it took is remembered."""

from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError, ChildAbortError
from quantgate.pipelines.domain.foreign import ForeignOptions
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import OnProgress, RunWorker, WorkerCall
from quantgate.pipelines.process.endings.causes import run_confirmed
from quantgate.pipelines.process.versions import installed_version

_WORKER = "quantgate.pipelines.engines.llamacpp.workers.layout"
_PACKAGE = "llama-cpp-python"
_KEY_LENGTH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutCall:
    """A GGUF file, or the first of its parts, to be laid out."""

    file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutFacts:
    """llama.cpp's reason against the file; "" where it has none."""

    refusal: str


def refuse_unknown_to_llamacpp(
    made: ForeignOptions,
    base: Checkpoint,
    store: Store,
    run_worker: RunWorker,
    on_progress: OnProgress,
) -> None:
    """Refuse a GGUF that llama.cpp has no model for; one that it took is remembered beside its base.

    Raises:
        CheckpointError: with llama.cpp's own reason.
        ToolchainError, WorkerError: from the child process.
    """
    version = installed_version(_PACKAGE)
    key = digest_of([made.digest, version, source_digest(_WORKER)])[:_KEY_LENGTH]

    def produce(_: Path) -> LayoutFacts:
        call = WorkerCall(
            module=_WORKER,
            request=LayoutCall(file=made.files[0].path),
            log=store.logs / f"layout-{key}.log",
            threads=1,
        )
        try:
            facts = run_confirmed(run_worker, call, LayoutFacts, on_progress)
        except ChildAbortError as error:
            facts = LayoutFacts(refusal=f"it {error.what}")
        if facts.refusal:
            raise CheckpointError(
                f"llama.cpp ({_PACKAGE} {version}) cannot compute it: {facts.refusal}",
                where=made.source,
                log=call.log,
                next_step="take one that was made for this llama.cpp",
            )
        return facts

    folder = store.checkpoint(base.digests.combined) / f"layout-{key}"
    produce_once(folder, LayoutFacts, produce)
