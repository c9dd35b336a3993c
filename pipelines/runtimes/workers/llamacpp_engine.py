"""One llama.cpp context as the engine of continuous batching."""

import ctypes

import llama_cpp
import numpy

from pipelines.domain.errors import WorkerError
from pipelines.process.workers.llamacpp_library import LlamaLog, open_context
from pipelines.runtimes.llamacpp_slots import Batch, Layout, Logits


class LlamaEngine:
    """Decodes batches in one context whose cache all slots share (`kv_unified`), keys and values in F16."""

    def __init__(self, model: ctypes.c_void_p, layout: Layout, threads: int, log: LlamaLog) -> None:
        """Make the context; one slot more than the layout's holds the shared prefix."""
        self._log = log
        self._batch_tokens = layout.batch_tokens
        self._context = open_context(model, _parameters(layout, threads), log)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._vocabulary_size = llama_cpp.llama_vocab_n_tokens(
            llama_cpp.llama_model_get_vocab(model)
        )
        self._columns = _Columns(layout.batch_tokens)

    def decode(self, batch: Batch) -> Logits:
        """Decode a batch.

        Raises:
            WorkerError: where llama.cpp does not; a batch too large would abort the process.
        """
        if len(batch.tokens) > self._batch_tokens:
            raise WorkerError(f"a batch of {len(batch.tokens)} tokens exceeds {self._batch_tokens}")
        code = llama_cpp.llama_decode(self._context, self._columns.fill(batch))
        if code:
            raise WorkerError(f"llama_decode failed with {code}: {self._log.reason}")
        wanted = sum(batch.outputs)
        if not wanted:
            return numpy.empty((0, self._vocabulary_size), dtype=numpy.float32)
        pointer = llama_cpp.llama_get_logits(self._context)
        return numpy.ctypeslib.as_array(pointer, shape=(wanted, self._vocabulary_size))

    def copy(self, source: int, target: int) -> None:
        """Let an empty slot begin with everything another slot holds."""
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def release(self, slot: int) -> None:
        """Empty a slot."""
        llama_cpp.llama_memory_seq_rm(self._memory, slot, -1, -1)

    def clear(self) -> None:
        """Empty the cache and zero it."""
        llama_cpp.llama_memory_clear(self._memory, True)


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


def _parameters(layout: Layout, threads: int) -> llama_cpp.llama_context_params:
    parameters = llama_cpp.llama_context_default_params()
    # A context smaller than its number of sequences aborts the process.
    parameters.n_ctx = max(layout.cells + len(layout.shared), layout.batch_tokens, layout.slots + 1)
    parameters.n_batch = parameters.n_ubatch = layout.batch_tokens
    parameters.n_seq_max = layout.slots + 1
    parameters.kv_unified = True
    parameters.type_k = parameters.type_v = llama_cpp.GGML_TYPE_F16
    parameters.n_threads = parameters.n_threads_batch = threads
    return parameters
