"""AWQ's gemm layout and GPTQ's from what llm-compressor built: the same integers and scales, packed anew."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import CompressedTensorsOptions, Format, Recipe
from quantgate.pipelines.domain.variant import BuildFacts, QuantizedTensor
from quantgate.pipelines.engines.backend import BuildRequest
from quantgate.pipelines.engines.llmcompressor import shapes as llmcompressor_shapes
from quantgate.pipelines.engines.worker_calls import call_of
from quantgate.pipelines.process.calls import OnProgress, RunWorker

_WORKER = "quantgate.pipelines.engines.llmcompressor.workers.repack"
_SCHEMES = {Format.AWQ: ("W4A16", "W4A16_ASYM"), Format.GPTQ: ("W4A16",)}
_VALUES_PER_WORD = 8
_HEAD = "lm_head.weight"
_IN_LAYERS = ".layers."

Compress = Callable[[BuildRequest, RunWorker, OnProgress], BuildFacts]
"""Builds the compressed-tensors folder of a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepackRequest:
    """A folder in `compressed` as llm-compressor wrote it, to be written in the layout of a recipe."""

    build: BuildRequest
    compressed: Path

    @property
    def log(self) -> Path:
        """Where the worker's output goes."""
        return self.build.log

    @property
    def threads(self) -> int:
        """How many threads the worker may use."""
        return self.build.threads


@dataclass(frozen=True, slots=True, kw_only=True)
class RepackFacts:
    """What was written, read back from the files."""

    tensors: tuple[QuantizedTensor, ...]
    nonfinite_tensors: tuple[str, ...]


def misfits(checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:
    """Return why a recipe's weights cannot stand in its layout; empty for other formats."""
    options = recipe.options
    if recipe.format not in _SCHEMES or not isinstance(options, CompressedTensorsOptions):
        return ()
    return tuple(_misfits(checkpoint, recipe.format, options))


def _misfits(
    checkpoint: Checkpoint, layout: Format, options: CompressedTensorsOptions
) -> Iterator[str]:
    schemes = _SCHEMES[layout]
    if (options.scheme or "").upper() not in schemes:
        yield f"the {layout} layout holds {' or '.join(schemes)}, not {options.scheme}"
    if options.kv_cache is not None:
        yield f"the {layout} layout has no place for KV-cache scales"
    addressed = llmcompressor_shapes.addressed(checkpoint.language_tensors, options)
    if any(tensor.name == _HEAD for tensor in addressed):
        yield (
            f"readers of the {layout} layout expect {_HEAD} in full precision; "
            "add lm_head to the recipe's ignore"
        )
    divided = (0,) if layout is Format.AWQ else (0, 1)
    for tensor in addressed:
        if any(tensor.shape[axis] % _VALUES_PER_WORD for axis in divided):
            yield (
                f"{tensor.name} is {tensor.shape[0]} x {tensor.shape[1]}, and the {layout} layout packs "
                f"eight {'outputs' if layout is Format.AWQ else 'inputs, and eight outputs,'} to a word"
            )
            break
    left = [
        t.name for t in checkpoint.language_tensors if _IN_LAYERS in t.name and len(t.shape) == 2
    ]
    left = [name for name in left if name not in {tensor.name for tensor in addressed}]
    if left and layout is Format.GPTQ:
        yield f"{left[0]} stays whole, which config.json of the gptq layout has no words for"


def build_packed(
    request: BuildRequest,
    compress: Compress,
    run_worker: RunWorker,
    on_progress: OnProgress,
) -> BuildFacts:
    """Have `compress` build a compressed-tensors folder that does not stay, and repack it.

    Returns:
        What the repacked files hold, with what calibration and both child processes took.

    Raises:
        CheckpointError: where the folder holds what the layout cannot, naming the tensor.
        WorkerError: with the log's path.
    """
    with TemporaryDirectory(dir=request.output, prefix="compressed-") as between:
        compressed = replace(request, output=Path(between))
        facts = compress(compressed, run_worker, on_progress)
        repack = RepackRequest(build=request, compressed=compressed.output)
        reply = run_worker(call_of(_WORKER, repack), RepackFacts, on_progress)
    return replace(
        facts,
        tensors=reply.value.tensors,
        nonfinite_tensors=reply.value.nonfinite_tensors,
        seconds=facts.seconds + reply.seconds,
        peak_memory_bytes=max(facts.peak_memory_bytes, reply.peak_memory_bytes),
    )
