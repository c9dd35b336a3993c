"""Child process: how far next-token distributions of a GGUF drift from its base GGUF's.

Equal to `llama-perplexity --kl-divergence` on the positions that it looks at (the second half of each
window). Models are loaded one after the other, never together.
"""

import ctypes
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager

import llama_cpp
import numpy

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.domain.recipe import KvCacheType
from quantgate.pipelines.domain.verdicts.audit import Divergence
from quantgate.pipelines.engines.divergence.base_logits import (
    BaseLogits,
    BasePass,
    Logits,
    Windows,
    base_logits,
    batch_tokens,
    read_windows,
    refuse_unknown,
)
from quantgate.pipelines.engines.divergence.sums import DivergenceSums
from quantgate.pipelines.engines.llamacpp.workers.opening import (
    LlamaLog,
    hold_cache_as,
    open_context,
    open_model,
    refuse_machine_trouble,
)
from quantgate.pipelines.engines.llamacpp.workers.resemblance import resemblances
from quantgate.pipelines.engines.requests import DivergenceRequest, Loadable
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve

_CACHE_STEP = 256


def measure(request: DivergenceRequest, on_progress: OnProgress) -> Divergence:
    """Hold a variant's GGUF against the base's.

    Raises:
        CheckpointError: where a file does not load, or its vocabulary is not the base's.
        InputError: where there is no position to compare, or a token id that the base does not know.
        WorkerError: where decoding fails.
    """
    log = LlamaLog()
    counter = _Counter(on_progress)
    with base_logits(request.base_logits, lambda: _base(request, log, counter)) as base:
        return _compare(base, request, log, counter)


@contextmanager
def _base(request: DivergenceRequest, log: LlamaLog, counter: "_Counter") -> Iterator[BasePass]:
    counter.models += 1
    with _opened(request.base, log) as model:
        windows = read_windows(
            request.sequences,
            max_tokens=request.max_tokens,
            context_tokens=llama_cpp.llama_model_n_ctx_train(model),
        )
        refuse_unknown(windows, _vocabulary_size(model), request.sequences)
        with closing(_logits(model, windows, "f16", request.threads, log)) as logits:
            yield BasePass(
                vocabulary_size=_vocabulary_size(model),
                windows=windows,
                logits=counter.counted(windows, logits),
            )


def _compare(
    base: BaseLogits, request: DivergenceRequest, log: LlamaLog, counter: "_Counter"
) -> Divergence:
    variant, threads = request.variant, request.threads
    sums, windows = DivergenceSums(base, threads), base.windows
    with _opened(variant, log) as model:
        base.refuse_other(_vocabulary_size(model))  # before it is asked for tokens that it lacks
        with closing(_logits(model, windows, variant.kv_cache, threads, log)) as logits:
            for batch in counter.counted(windows, logits):
                sums.add(batch)
    return sums.result(resemblances(request.base.path, variant.path, threads))


class _Counter:
    """Counts positions over all models that are run: the variant, and the base where nobody has."""

    def __init__(self, on_progress: OnProgress) -> None:
        self.models = 1
        self._on_progress, self._done = on_progress, 0

    def counted(self, windows: Windows, batches: Iterator[Logits]) -> Iterator[Logits]:
        total = self.models * sum(len(window) - 1 for window in windows)
        for logits in batches:
            yield logits
            self._done += len(logits)
            self._on_progress(Progress(done=self._done, total=total, what="measuring divergence"))


@contextmanager
def _opened(loadable: Loadable, log: LlamaLog) -> Iterator[ctypes.c_void_p]:
    model = open_model(loadable.path, log)
    try:
        yield model
    finally:
        llama_cpp.llama_model_free(model)


def _logits(
    model: ctypes.c_void_p,
    windows: Windows,
    cache: KvCacheType,
    threads: int,
    log: LlamaLog,
) -> Generator[Logits, None, None]:
    """Yield the logits after every token but the last of each window, in batches.

    The last one is decoded where it rounds a batch up: of 512 tokens each takes 3 % less than of 511
    (measured), whose kernels work in tiles. The arrays are llama.cpp's own memory, valid until the next one
    is asked for.
    """
    size = batch_tokens(_vocabulary_size(model))
    longest = max(len(window) for window in windows)
    parameters = _parameters(longest, size, cache, threads)
    context = open_context(model, parameters, log)
    batch = llama_cpp.llama_batch_init(size, 0, 1)
    try:
        for window in windows:
            llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
            for start in range(0, len(window) - 1, size):
                part = window[start : start + size]
                count = min(len(part), len(window) - 1 - start)
                _fill(batch, part, start, count)
                if code := llama_cpp.llama_decode(context, batch):
                    refuse_machine_trouble(log)
                    raise WorkerError(f"llama_decode failed with {code}: {log.reason}")
                pointer = llama_cpp.llama_get_logits(context)
                yield numpy.ctypeslib.as_array(pointer, shape=(count, _vocabulary_size(model)))
    finally:
        llama_cpp.llama_batch_free(batch)
        llama_cpp.llama_free(context)


def _fill(
    batch: llama_cpp.llama_batch, token_ids: Sequence[int], position: int, compared: int
) -> None:
    """Fill a batch; logits are asked for after the first `compared` tokens."""
    batch.n_tokens = len(token_ids)
    for index, token in enumerate(token_ids):
        batch.token[index] = token
        batch.pos[index] = position + index
        batch.n_seq_id[index] = 1
        batch.seq_id[index][0] = 0
        batch.logits[index] = index < compared


def _parameters(
    longest: int, size: int, cache: KvCacheType, threads: int
) -> llama_cpp.llama_context_params:
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx = -(-longest // _CACHE_STEP) * _CACHE_STEP
    parameters.n_batch = parameters.n_ubatch = size
    parameters.n_seq_max = 1
    hold_cache_as(parameters, cache)
    parameters.n_threads = parameters.n_threads_batch = threads
    return parameters


def _vocabulary_size(model: ctypes.c_void_p) -> int:
    return int(llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model)))


if __name__ == "__main__":
    serve(measure, DivergenceRequest)
