"""One llama.cpp context as the engine of continuous batching."""

import ctypes
from dataclasses import dataclass

import llama_cpp
import numpy

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.domain.recipe import KvCacheType
from quantgate.pipelines.engines.llamacpp.layout import Layout
from quantgate.pipelines.engines.llamacpp.slots import Batch, Logits
from quantgate.pipelines.engines.llamacpp.workers.opening import (
    LlamaLog,
    hold_cache_as,
    open_context,
    refuse_machine_trouble,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """What an engine is given besides its layout; `kv_cache` is how it holds keys and values."""

    threads: int
    kv_cache: KvCacheType


class LlamaEngine:
    """Decodes batches in one context with a cache per slot.

    A cache that all slots share (`kv_unified`) makes every token attend over all slots' tokens, masked:
    a third slower here with 16 slots of up to 500 tokens, no faster with short ones (measured).
    """

    def __init__(
        self, model: ctypes.c_void_p, layout: Layout, settings: EngineSettings, log: LlamaLog
    ) -> None:
        """Make the context."""
        self._log = log
        self._batch_tokens = layout.batch_tokens
        self._context = open_context(model, _parameters(layout, settings), log)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._vocabulary_size = llama_cpp.llama_vocab_n_tokens(
            llama_cpp.llama_model_get_vocab(model)
        )
        self._columns = _Columns(layout.batch_tokens)

    def decode(self, batch: Batch) -> Logits:
        """Decode a batch.

        Raises:
            ToolchainError: where it gets too little memory.
            WorkerError: where llama.cpp does not; a batch too large would abort the process.
        """
        if len(batch.tokens) > self._batch_tokens:
            raise WorkerError(f"a batch of {len(batch.tokens)} tokens exceeds {self._batch_tokens}")
        code = llama_cpp.llama_decode(self._context, self._columns.fill(batch))
        if code:
            refuse_machine_trouble(self._log)
            raise WorkerError(f"llama_decode failed with {code}: {self._log.reason}")
        rows = sum(batch.outputs)
        if not rows:
            return numpy.empty((0, self._vocabulary_size), dtype=numpy.float32)
        pointer = llama_cpp.llama_get_logits(self._context)
        return numpy.ctypeslib.as_array(pointer, shape=(rows, self._vocabulary_size))

    def copy(self, source: int, target: int) -> None:
        """Let an empty slot begin with everything another slot holds."""
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def release(self, slot: int) -> None:
        """Empty a slot."""
        llama_cpp.llama_memory_seq_rm(self._memory, slot, -1, -1)

    def close(self) -> None:
        """Give the memory back; the engine cannot be used any more."""
        llama_cpp.llama_free(self._context)


class _Columns:
    """The arrays behind a `llama_batch`, filled by whole columns."""

    def __init__(self, size: int) -> None:
        self._tokens = numpy.zeros(size, dtype=numpy.int32)
        self._positions = numpy.zeros(size, dtype=numpy.int32)
        self._slots = numpy.zeros(size, dtype=numpy.int32)
        self._ones = numpy.ones(size, dtype=numpy.int32)
        self._outputs = numpy.zeros(size, dtype=numpy.int8)
        first, step = self._slots.ctypes.data, self._slots.itemsize
        self._slot_addresses = numpy.arange(first, first + size * step, step, dtype=numpy.uintp)
        self._batch = llama_cpp.llama_batch()
        for name, array in (
            ("token", self._tokens),
            ("pos", self._positions),
            ("n_seq_id", self._ones),
            ("seq_id", self._slot_addresses),
            ("logits", self._outputs),
        ):
            kind = type(getattr(self._batch, name))
            setattr(self._batch, name, ctypes.cast(array.ctypes.data, kind))

    def fill(self, batch: Batch) -> llama_cpp.llama_batch:
        count = len(batch.tokens)
        self._batch.n_tokens = count
        self._tokens[:count] = batch.tokens
        self._positions[:count] = batch.positions
        self._slots[:count] = batch.slots
        self._outputs[:count] = batch.outputs
        return self._batch


def _parameters(layout: Layout, settings: EngineSettings) -> llama_cpp.llama_context_params:
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx = layout.context_tokens  # each sequence gets an equal share
    parameters.n_batch = parameters.n_ubatch = layout.batch_tokens
    parameters.n_seq_max = layout.sequences
    parameters.kv_unified = False
    if not layout.flash_attention:
        parameters.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
    hold_cache_as(parameters, settings.kv_cache)  # has the last word: quantized values need it
    parameters.n_threads = parameters.n_threads_batch = settings.threads
    return parameters
