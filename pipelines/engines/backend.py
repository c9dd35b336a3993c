"""The seam to quantization tools: what can build a recipe."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.domain.variant import BuildFacts, Toolchain
from quantgate.pipelines.process.calls import OnProgress, RunWorker


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationTokens:
    """The corpus rendered and tokenized for one checkpoint.

    `file` is JSONL, one `{"id": str, "token_ids": [int, ...]}` a sequence, at most `max_length_tokens`
    ids each, in the order to be used.
    """

    file: Path
    corpus_label: str
    corpus_digest: Digest
    sequence_count: int
    token_count: int
    max_length_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """One variant to build. Everything the tool writes goes under `output` (exists, empty).

    `scratch` is a sealed-later folder per checkpoint for what several recipes share (the F16 GGUF).
    """

    checkpoint: Checkpoint
    recipe: Recipe
    calibration: CalibrationTokens | None
    output: Path
    scratch: Path
    log: Path
    toolchain: Toolchain


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What was built: `artifact` is the file or folder under `output` that a runtime loads."""

    artifact: Path
    facts: BuildFacts


class Backend(Protocol):
    """Builds recipes of one tool. Implementations are stateless; heavy code runs in workers."""

    def missing(self) -> str | None:
        """Return None when the tool is installed, else one sentence: what is missing and how to get it."""
        ...

    def toolchain(self, threads: int) -> Toolchain:
        """Return everything that influences the bytes, without importing the tool."""
        ...

    def misfits(self, checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:
        """Return why the recipe does not fit the checkpoint, one sentence each; empty when it fits."""
        ...

    def build(self, request: BuildRequest, run_worker: RunWorker, on_progress: OnProgress) -> Built:
        """Build the variant in child processes.

        Raises:
            CheckpointError, ToolchainError, WorkerError: with the log's path.
        """
        ...
