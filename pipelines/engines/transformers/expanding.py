"""Low-bit checkpoint folders in bfloat16: made once, in a child process, sealed in the store."""

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.checkpoints.tools import LowBitFolder
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.files.hashing import DigestMemory
from quantgate.pipelines.files.sealed import produce_once, verify
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import OnProgress, RunWorker, WorkerCall

_WORKER = "quantgate.pipelines.engines.transformers.workers.expand"
_PACKAGES = ("compressed-tensors", "torch")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpandCall:
    """Write the checkpoint in `source`, stored in `format`, into `output` (exists, empty) in bfloat16."""

    source: Path
    format: Format
    output: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpandedFacts:
    """How many tensors were written, and how many of them were low-bit before."""

    tensors: int
    expanded: int


@dataclass(frozen=True, slots=True)
class FolderExpander:
    """Expands folders in child processes."""

    run_worker: RunWorker

    def expand(self, low_bit: LowBitFolder, store: Store, on_progress: OnProgress) -> Path:
        """Return the sealed folder of a checkpoint in bfloat16; see `ExpandFolder`.

        Raises:
            CheckpointError: where weights are not what their layout says.
            ToolchainError: where the disk is full.
            WorkerError: from the child process.
        """
        versions = [importlib.metadata.version(package) for package in _PACKAGES]
        key = digest_of([low_bit.digest, *versions, source_digest(_WORKER)])
        folder = store.unpacked(low_bit.name, key)

        def produce(staging: Path) -> ExpandedFacts:
            call = WorkerCall(
                module=_WORKER,
                request=ExpandCall(
                    source=low_bit.folder, format=low_bit.stored.format, output=staging
                ),
                log=store.logs / f"expand-{folder.name}.log",
                threads=1,
            )
            return self.run_worker(call, ExpandedFacts, on_progress).value

        manifest = produce_once(folder, ExpandedFacts, produce)
        verify(folder, manifest, DigestMemory(store.digest_memory).digest)
        return folder
