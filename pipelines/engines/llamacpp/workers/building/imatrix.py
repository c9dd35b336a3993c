"""Child process: compute an importance matrix with llama.cpp's evaluation callback.

What is collected, per weight: for every input column the sum of squared activations, and how many rows
went in; the arithmetic of `IMatrixCollector::collect_imatrix` (tools/imatrix/imatrix.cpp).

How the corpus is laid out differs from llama-imatrix on purpose. That tool glues all text together and
cuts it into windows of equal length: sequences attend to their neighbours, positions are not the served
ones, and the tail is dropped. Here each sequence starts at position 0 and sees only itself, as when
served; several are packed into one batch for speed; nothing is dropped, so the tokens counted are the
tokens used.
"""

import ctypes
from dataclasses import dataclass

import llama_cpp
import numpy
from numpy.typing import NDArray

from quantgate.pipelines.domain.errors import InputError, WorkerError
from quantgate.pipelines.engines.llamacpp.build_messages import ImatrixCall, ImatrixFacts
from quantgate.pipelines.engines.llamacpp.workers.building.ggml import (
    F32,
    Operations,
    Tensor,
    ggml,
    tensor_at,
)
from quantgate.pipelines.engines.llamacpp.workers.building.gguf import FloatArray, write_imatrix
from quantgate.pipelines.engines.llamacpp.workers.building.packing import (
    decode,
    pack,
    packed_context,
    read_sequences,
)
from quantgate.pipelines.engines.llamacpp.workers.opening import LlamaLog, open_context, open_model
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve

ExpertIds = NDArray[numpy.int32]

_BATCH_TOKENS = 512


@dataclass(slots=True)
class _Sums:
    """One weight's running sums; `counts` has one entry per expert, one for a dense weight."""

    squares: NDArray[numpy.float64]
    counts: NDArray[numpy.int64]


class Collector:
    """The evaluation callback. ctypes swallows its exceptions, so the first is kept for `check`."""

    def __init__(self) -> None:
        """Check the mirrored tensor layout and make the callback; the object must outlive the context."""
        self.sums: dict[str, _Sums] = {}
        self._operations = Operations()
        self._failure: Exception | None = None
        self.callback = llama_cpp.ggml_backend_sched_eval_callback(self._called)

    def check(self) -> None:
        """Raise what went wrong inside the callback since the last check."""
        if self._failure is not None:
            raise self._failure

    def _called(self, address: int, asked: bool, _user: object) -> bool:
        try:
            tensor = tensor_at(address)
            if asked:
                return self._wants(tensor)
            self._collect(tensor)
        except Exception as error:  # noqa: BLE001 - kept and raised by check(); C cannot carry it
            self._failure = self._failure or error
            return False
        return True

    def _wants(self, tensor: Tensor) -> bool:
        if tensor.op not in (self._operations.dense, self._operations.routed):
            return False
        return _weight_name(tensor).startswith("blk.")

    def _collect(self, tensor: Tensor) -> None:
        weight, inputs = tensor_at(tensor.src[0]), tensor_at(tensor.src[1])
        rows = _rows(inputs)
        name = _weight_name(tensor)
        if tensor.op == self._operations.routed:
            self._add_routed(name, rows, _expert_ids(tensor_at(tensor.src[2])), weight.ne[2])
        else:
            matrices = weight.ne[2] * weight.ne[3]
            sums = self._entry(name, matrices, inputs.ne[0], counters=1)
            flat = rows.reshape(-1, inputs.ne[1], inputs.ne[0])
            for index, matrix in enumerate(flat):
                sums.squares[index % matrices] += numpy.square(matrix).sum(axis=0)
            sums.counts += flat.shape[0] * flat.shape[1] // matrices

    def _add_routed(
        self,
        name: str,
        rows: FloatArray,
        chosen: ExpertIds,
        experts: int,
    ) -> None:
        """Add rows (tokens x 1 or experts used x columns) to the experts each was sent to."""
        sums = self._entry(name, experts, rows.shape[-1], counters=experts)
        tokens, used = chosen.shape
        spread = numpy.broadcast_to(
            rows.reshape(tokens, -1, rows.shape[-1]), (tokens, used, rows.shape[-1])
        )
        for expert in numpy.unique(chosen):
            routed = spread[chosen == expert]
            sums.squares[expert] += numpy.square(routed).sum(axis=0)
            sums.counts[expert] += routed.shape[0]

    def _entry(self, name: str, matrices: int, columns: int, *, counters: int) -> _Sums:
        if name not in self.sums:
            self.sums[name] = _Sums(
                numpy.zeros((matrices, columns)), numpy.zeros(counters, dtype=numpy.int64)
            )
        return self.sums[name]


def compute(call: ImatrixCall, on_progress: OnProgress) -> ImatrixFacts:
    """Compute and write the matrix.

    Raises:
        InputError: where the corpus has no tokens, or ids the model does not know.
        WorkerError: where decoding fails or activations are not finite.
    """
    log = LlamaLog()
    collector = Collector()
    model = open_model(call.model, log)
    vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
    context = open_context(model, _parameters(call, collector), log)
    sequences = tokens = 0
    total = sum(1 for _ in call.calibration.file.open("rb"))
    corpus = read_sequences(
        call.calibration.file, vocabulary, longest=call.calibration.max_length_tokens
    )
    for packed in pack(corpus, _BATCH_TOKENS):
        for _ in decode(context, packed, _BATCH_TOKENS, log):
            collector.check()
        sequences += len(set(packed.sequences))
        tokens += len(packed.tokens)
        on_progress(Progress(done=sequences, total=total, what="importance matrix"))
    if not tokens:
        raise InputError(
            "has no tokens to calibrate with",
            where=str(call.calibration.file),
            next_step="draw a corpus with longer rows (docs/corpora.md)",
        )
    return _write(call, collector, sequences, tokens)


def _parameters(call: ImatrixCall, collector: Collector) -> llama_cpp.llama_context_params:
    parameters = packed_context(call.calibration.max_length_tokens, _BATCH_TOKENS, call.threads)
    parameters.cb_eval = collector.callback
    return parameters


def _weight_name(tensor: Tensor) -> str:
    """Return the multiplied weight's name, without the `CUDA0#...#0` a scheduler puts around copies."""
    name = bytes(tensor_at(tensor.src[0]).name).decode()
    return name.split("#")[1] if "#" in name else name


def _rows(tensor: Tensor) -> FloatArray:
    """Return an F32 tensor's values, outermost dimension first: a view, or a copy of what a GPU holds."""
    if tensor.type != F32:
        raise WorkerError(f"activations of {tensor.name!r} are not F32")
    rows: FloatArray = numpy.ndarray(
        _shape(tensor), dtype=numpy.float32, buffer=_memory(tensor), strides=_strides(tensor)
    )
    return rows


def _expert_ids(tensor: Tensor) -> ExpertIds:
    """Return which experts each token was sent to, tokens x experts used (rows are padded)."""
    ids: ExpertIds = numpy.ndarray(
        _shape(tensor)[2:],
        dtype=numpy.int32,
        buffer=_memory(tensor),
        strides=_strides(tensor)[2:],
    )
    return ids


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.ne)[::-1]


def _strides(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.nb)[::-1]


def _memory(tensor: Tensor) -> memoryview:
    """Return the bytes from a tensor's first to its last element; both types read here have four each."""
    if not ggml.ggml_backend_buffer_is_host(tensor.buffer):
        return copied(tensor)
    return memoryview((ctypes.c_uint8 * _span_bytes(tensor)).from_address(tensor.data))


def copied(tensor: Tensor) -> memoryview:
    """Return a copy of these bytes in main memory, wherever they lie."""
    copy = (ctypes.c_uint8 * _span_bytes(tensor))()
    ggml.ggml_backend_tensor_get(ctypes.addressof(tensor), copy, 0, len(copy))
    return memoryview(copy)


def _span_bytes(tensor: Tensor) -> int:
    steps = sum((n - 1) * stride for n, stride in zip(tensor.ne, tensor.nb, strict=True))
    return int(steps) + 4


def _write(call: ImatrixCall, collector: Collector, sequences: int, tokens: int) -> ImatrixFacts:
    entries: dict[str, tuple[FloatArray, FloatArray]] = {}
    for name, sums in collector.sums.items():
        if not numpy.isfinite(sums.squares).all():
            raise WorkerError(f"activations of {name} are not finite", where=str(call.model))
        entries[name] = (sums.squares.astype(numpy.float32), sums.counts.astype(numpy.float32))
    chunk_size = call.calibration.max_length_tokens
    write_imatrix(
        call.output,
        entries,
        dataset=f"sha256:{call.calibration.corpus_digest}",
        chunk_count=max(1, tokens // chunk_size),
        chunk_size_tokens=chunk_size,
    )
    starved = tuple(sorted(n for n, sums in collector.sums.items() if not sums.counts.all()))
    return ImatrixFacts(sequences=sequences, tokens=tokens, entries=len(entries), starved=starved)


if __name__ == "__main__":
    serve(compute, ImatrixCall)
