"""The seam to quantization tools: what can build a recipe."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError, InputError
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.domain.variant import (
    BuildFacts,
    ExpertTokens,
    QuantizedTensor,
    Toolchain,
)
from quantgate.pipelines.process.calls import OnProgress, RunWorker, WorkerReply

Options = TypeVar("Options")


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
    `resident_bytes` is how much of the base's weights may stay in memory while the rest is read from disk
    as it is needed; None keeps all of them.
    """

    checkpoint: Checkpoint
    recipe: Recipe
    calibration: CalibrationTokens | None
    output: Path
    scratch: Path
    log: Path
    toolchain: Toolchain
    resident_bytes: int | None = None

    @property
    def threads(self) -> int:
        """How many threads a worker may use."""
        return self.toolchain.threads

    def required_calibration(self) -> CalibrationTokens:
        """Return the corpus of a recipe that cannot do without.

        Raises:
            InputError: where there is none.
        """
        if self.calibration is None:
            raise InputError(
                f"recipe {self.recipe.name} needs a calibration corpus and got none",
                next_step="name a corpus in the build file or with CORPUS=",
            )
        return self.calibration


@dataclass(slots=True)
class Consumption:
    """What calibration consumed so far, counted where it arrives in the model."""

    sequences: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFolder:
    """What a worker wrote, read back from the files, and what calibration really consumed.

    `promised` names the weights that the tool itself matched in the model; () where it tells none.
    `experts` are those of a mixture that was calibrated.
    """

    tensors: tuple[QuantizedTensor, ...]
    calibration_sequences: int
    calibration_tokens: int
    nonfinite_tensors: tuple[str, ...]
    warnings: tuple[str, ...]
    promised: tuple[str, ...] = ()
    experts: tuple[ExpertTokens, ...] = ()


def folder_facts(reply: WorkerReply[WrittenFolder], promised: tuple[str, ...]) -> BuildFacts:
    """Return the facts of a build by one worker; `promised` are the weights it was to quantize."""
    written = reply.value
    return BuildFacts(
        tensors=written.tensors,
        promised=promised,
        calibration_sequences=written.calibration_sequences,
        calibration_tokens=written.calibration_tokens,
        nonfinite_tensors=written.nonfinite_tensors,
        warnings=written.warnings,
        seconds=reply.seconds,
        peak_memory_bytes=reply.peak_memory_bytes,
        uncovered=tuple(_starved(promised, written.experts)),
        experts=written.experts,
    )


def _starved(weights: Sequence[str], experts: Sequence[ExpertTokens]) -> Iterator[str]:
    """Yield the weights of experts that calibration fed nothing."""
    idle = {expert.name for expert in experts if not expert.fed}
    for weight in weights:
        if weight.removesuffix(".weight").rpartition(".")[0] in idle:
            yield weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What was built: `artifact` is the file or folder under `output` that a runtime loads."""

    artifact: Path
    facts: BuildFacts


def options_of(recipe: Recipe, kind: type[Options], tool: str) -> Options:
    """Return a recipe's options.

    Raises:
        InputError: where they are another tool's.
    """
    if not isinstance(recipe.options, kind):
        raise InputError(
            f"recipe {recipe.name} is for {recipe.options.backend}, not for {tool}",
            next_step="choose another recipe: `quantgate recipes` lists them",
        )
    return recipe.options


def refuse_misfits(request: BuildRequest, misfits: Sequence[str]) -> None:
    """Refuse to build what does not fit.

    Raises:
        CheckpointError: with the first reason.
    """
    if misfits:
        raise CheckpointError(
            f"recipe {request.recipe.name} does not fit: {misfits[0]}",
            where=request.checkpoint.name,
            next_step="choose a recipe that fits its shapes, or say --nearest",
        )


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

    def nearest(self, checkpoint: Checkpoint, recipe: Recipe) -> Recipe | None:  # noqa: ARG002 - by default
        """Return the catalogue's recipe that fits and is most like one that does not; None: there is none."""
        return None

    def remarks(self, checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:  # noqa: ARG002 - by default
        """Return what a recipe makes of the checkpoint that its name does not say, one sentence each."""
        return ()

    def build(self, request: BuildRequest, run_worker: RunWorker, on_progress: OnProgress) -> Built:
        """Build the variant in child processes.

        Raises:
            CheckpointError, ToolchainError, WorkerError: with the log's path.
        """
        ...
