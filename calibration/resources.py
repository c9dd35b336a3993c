"""What a corpus is built with on this machine; none of it may change what comes out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quantgate.calibration.sources.local import FetchRemote
from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import OnProgress, RunWorker, ignore_progress

PART_BYTES = 64 << 20


def chat_of_folder(source: str) -> ChatFormat:
    """Return the chat format of a checkpoint folder.

    Raises:
        ToolchainError: where it is no folder.
        CheckpointError: where its tokenizer cannot be read.
    """
    if not Path(source).is_dir():
        raise ToolchainError(
            "is no folder, and this command asks no hub for it",
            where=source,
            next_step="name a folder on this machine",
        )
    return ChatFormat.of(Path(source))


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResources:
    """The store, who runs child processes (None: small text files are read in this one), and how many.

    `fetch_remote` brings hub datasets and traces here, `chat_of` opens tokenizers by folder or hub name.
    """

    store: Store
    run_worker: RunWorker | None = None
    processes: int = 1
    fetch_remote: FetchRemote | None = None
    chat_of: Callable[[str], ChatFormat] = chat_of_folder
    on_progress: OnProgress = ignore_progress
    part_bytes: int = PART_BYTES
    in_process_bytes: int = 8 << 20
    """Up to this size, sources of text are read without starting a child."""

    def run(self) -> RunWorker:
        """Return who runs child processes.

        Raises:
            ToolchainError: where nobody does.
        """
        if self.run_worker is None:
            raise ToolchainError(
                "is done by a child process, which is not to be had here",
                next_step="run this on a machine that has the whole of quantgate",
            )
        return self.run_worker
