"""Random checkpoints, each written once by a child process."""

from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.process.calls import RunWorker, WorkerCall, ignore_progress
from quantgate.pipelines.process.forking.client import FORK_SERVERS
from quantgate.pipelines.process.forking.families import WorkerFamily
from tests.support.architectures.names import Architecture

_WORKER = "tests.support.architectures.writing"
_FILES = "files"
_WRITING = WorkerFamily(
    names=(_WORKER,), imports=("quantgate.pipelines.engines.transformers.workers.answer",)
)
FORK_SERVERS.families += (_WRITING,)  # hundreds of checkpoints are written, each by a child


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteCall:
    """The folder is there and empty."""

    architecture: Architecture
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written."""

    parameter_count: int


def random_checkpoint_of(architecture: Architecture, folder: Path, run_worker: RunWorker) -> Path:
    """Return the folder of a checkpoint below `folder`, written unless it is there.

    Raises:
        CheckpointError: where transformers makes no small model of this architecture.
    """
    place = folder / architecture.name

    def produce(staging: Path) -> Written:
        files = staging / _FILES
        files.mkdir()
        call = WorkerCall(
            module=_WORKER,
            request=WriteCall(architecture=architecture, folder=files),
            log=folder / f"{architecture.name}.log",
            threads=1,
        )
        return run_worker(call, Written, ignore_progress).value

    produce_once(place, Written, produce)
    return place / _FILES
