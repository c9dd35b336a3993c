"""Child process: how fast a GGUF answers one request at a time, and the memory that this takes."""

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from quantgate.pipelines.domain.speed import SpeedSample
from quantgate.pipelines.engines.llamacpp.layout import Layout
from quantgate.pipelines.engines.llamacpp.slots import Batch
from quantgate.pipelines.engines.llamacpp.workers.devices import gpus_for_llamacpp, held_gpu_bytes
from quantgate.pipelines.engines.llamacpp.workers.engine import EngineSettings, LlamaEngine
from quantgate.pipelines.engines.llamacpp.workers.opening import LlamaLog, open_model
from quantgate.pipelines.engines.timing.meter import SpeedRequest
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.energy import EnergyWatch, ProcessorEnergy, energy_meters
from quantgate.pipelines.process.harness import serve

_LEAST_PASSES, _LEAST_SECONDS = 3, 0.5
# As llama-bench has it: prompts are decoded in pieces of so many tokens.
_BATCH_TOKENS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pass:
    first_token_seconds: float
    generating_seconds: float
    joules: float | None


def measure(request: SpeedRequest, on_progress: OnProgress) -> SpeedSample:
    """Answer the prompt once to warm up, then three times or for half a second, and take the middle figures.

    Raises:
        CheckpointError: where the GGUF does not load.
        ToolchainError: where it gets too little memory.
        WorkerError: where decoding fails.
    """
    on_progress(Progress(done=0, total=0, what="loading the model"))
    log = LlamaLog()
    model = open_model(request.loadable.path, log)
    layout = Layout(
        slots=1,
        shared=(),
        slot_tokens=len(request.prompt) + request.generated_tokens + 1,
        batch_tokens=min(_BATCH_TOKENS, len(request.prompt)),
    )
    settings = EngineSettings(threads=request.threads, kv_cache=request.loadable.kv_cache)
    engine = LlamaEngine(model, layout, settings, log)
    placed = gpus_for_llamacpp()
    meters = () if placed else energy_meters()  # which count processors
    _answer(engine, request, meters)
    passes: list[_Pass] = []
    started = time.perf_counter()
    while len(passes) < _LEAST_PASSES or time.perf_counter() - started < _LEAST_SECONDS:
        passes.append(_answer(engine, request, meters))
        on_progress(Progress(done=len(passes), total=0, what="timing"))
    first = median(each.first_token_seconds for each in passes)
    generating = median(each.generating_seconds for each in passes)
    joules = [each.joules for each in passes if each.joules is not None]
    return SpeedSample(
        prompt_tokens_per_second=len(request.prompt) / first,
        generated_tokens_per_second=request.generated_tokens / generating,
        first_token_seconds=first,
        peak_memory_bytes=held_gpu_bytes() if placed else _peak_memory_bytes(),
        joules_per_token=median(joules) / request.generated_tokens if joules else None,
    )


def _answer(
    engine: LlamaEngine, request: SpeedRequest, meters: tuple[ProcessorEnergy, ...]
) -> _Pass:
    """Decode the prompt, then one token after the other, greedily; an end-of-sequence token ends nothing."""
    prompt, size = request.prompt, _BATCH_TOKENS
    started = time.perf_counter()
    for start in range(0, len(prompt), size):
        piece = prompt[start : start + size]
        token = _next(engine, piece, start, is_last=start + size >= len(prompt))
    first = time.perf_counter()
    energy = EnergyWatch(meters)
    for position in range(len(prompt), len(prompt) + request.generated_tokens):
        token = _next(engine, (token,), position, is_last=True)
    ended = time.perf_counter()
    joules = energy.joules()
    engine.release(0)
    return _Pass(
        first_token_seconds=first - started, generating_seconds=ended - first, joules=joules
    )


def _next(engine: LlamaEngine, piece: tuple[int, ...], position: int, *, is_last: bool) -> int:
    batch = Batch()
    batch.add(piece, position=position, slot=0, last_is_output=is_last)
    logits = engine.decode(batch)
    return int(logits[0].argmax()) if is_last else 0


def _peak_memory_bytes() -> int:
    """Return the most that this program had resident; what its parent had counts in `ru_maxrss`."""
    with Path("/proc/self/status").open(encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


if __name__ == "__main__":
    serve(measure, SpeedRequest)
