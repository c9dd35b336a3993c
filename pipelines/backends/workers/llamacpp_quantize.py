"""Child process: quantize an F16 GGUF through `llama_model_quantize` and read back what it wrote.

Its return code is no evidence: shapes that do not fit leave everything at F16 with code 0. So the facts
are taken from the file.
"""

import ctypes
import re
from collections.abc import Iterator
from pathlib import Path

import llama_cpp
import numpy

from pipelines.backends.llamacpp_messages import QuantizeCall, QuantizeFacts
from pipelines.backends.workers.llamacpp_gguf import FloatArray, Gguf, GgufTensor, read_gguf
from pipelines.domain.errors import InputError, WorkerError
from pipelines.domain.variant import QuantizedTensor
from pipelines.process.calls import OnProgress, Progress
from pipelines.process.harness import serve
from pipelines.process.workers.llamacpp_library import LlamaLog

_HIGH_PRECISION = frozenset({"f32", "f16", "bf16"})
_NO_WEIGHTS_FOUND = re.compile(r"=+ .*(did not find weights for|imatrix size .* different)")
# Two-dimensional weights that llama.cpp never quantizes: `tensor_allows_quantization` in
# src/llama-quant.cpp, the part that is not about one architecture's oddities.
_LEFT_ALONE = re.compile(
    r"_norm\.weight|ffn_gate_inp|ffn_gate_tid2eid|altup|laurel|per_layer_model_proj|position_embd"
    r"|token_types|ssm_conv1d|shortconv\.conv|indexer|time_mix_|attn_rel_b"
)


def quantize(call: QuantizeCall, on_progress: OnProgress) -> QuantizeFacts:
    """Quantize, then report the file's tensors.

    Raises:
        InputError: where source and output are one file (llama.cpp would destroy it), or it knows no such
            file type.
        WorkerError: with llama.cpp's reason, where it fails.
    """
    if call.output.exists() and call.output.samefile(call.source):
        raise InputError("source and output are the same file", where=str(call.source))
    log = LlamaLog()
    parameters, keep = _parameters(call)
    on_progress(Progress(done=0, total=0, what=f"quantizing to {call.file_type}"))
    code = llama_cpp.llama_model_quantize(
        str(call.source).encode(), str(call.output).encode(), ctypes.byref(parameters)
    )
    del keep
    if code:
        raise WorkerError(f"llama_model_quantize failed: {log.reason}", where=str(call.source))
    with read_gguf(call.output) as gguf, read_gguf(call.source) as source:
        return _facts(call, gguf, source, log)


def _parameters(
    call: QuantizeCall,
) -> tuple[llama_cpp.llama_model_quantize_params, list[object]]:
    """Return the parameters, and the objects that must live as long as they are used."""
    parameters = llama_cpp.llama_model_quantize_default_params()
    number = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{call.file_type}", None)
    if number is None:
        raise InputError(f"this llama.cpp knows no file type {call.file_type}")
    parameters.ftype = number
    parameters.nthread = call.threads
    keep: list[object] = []
    if call.imatrix:
        means = dict(_means(call.imatrix))
        entries = (llama_cpp.llama_model_imatrix_data * (len(means) + 1))()
        for entry, (name, values) in zip(entries, means.items(), strict=False):
            entry.name = name.encode()
            entry.data = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
            entry.size = values.size
        parameters.imatrix = ctypes.cast(
            entries, ctypes.POINTER(llama_cpp.llama_model_imatrix_data)
        )
        keep += [means, entries]
    return parameters, keep


def _means(imatrix: Path) -> Iterator[tuple[str, FloatArray]]:
    """Yield mean squared activations per weight; 1 for an expert never used, as llama-quantize does."""
    with read_gguf(imatrix) as gguf:
        tensors = {tensor.name: tensor for tensor in gguf.tensors}
        for name, tensor in tensors.items():
            if not name.endswith(".in_sum2"):
                continue
            weight = name.removesuffix(".in_sum2")
            counts = gguf.floats(tensors[f"{weight}.counts"])[:, None]
            sums = gguf.floats(tensor).reshape(counts.size, -1)
            means = numpy.where(counts > 0, sums / numpy.maximum(counts, 1), 1)
            yield weight, numpy.ascontiguousarray(means, dtype=numpy.float32).reshape(-1)


def _facts(call: QuantizeCall, gguf: Gguf, source: Gguf, log: LlamaLog) -> QuantizeFacts:
    tensors = tuple(_fact(tensor) for tensor in gguf.tensors)
    return QuantizeFacts(
        tensors=tensors,
        promised=tuple(tensor.name for tensor in source.tensors if is_promised(tensor)),
        nonfinite_tensors=tuple(t.name for t in gguf.tensors if not gguf.is_finite(t)),
        warnings=(*log.warnings, *_uncovered(call, log)),
    )


def is_promised(tensor: GgufTensor) -> bool:
    """Whether llama.cpp quantizes this tensor in every file type where its shape allows.

    That is every two- and three-dimensional weight, token embeddings and output head included (those
    get a type of their own, mostly Q6_K), except the few kinds it always leaves alone.
    """
    return (
        len(tensor.shape) >= 2
        and tensor.name.endswith("weight")
        and not _LEFT_ALONE.search(tensor.name)
    )


def _fact(tensor: GgufTensor) -> QuantizedTensor:
    return QuantizedTensor(
        name=tensor.name,
        type=tensor.type_name.upper(),
        parameter_count=tensor.parameter_count,
        bits_per_weight=tensor.bits_per_weight,
        quantized=tensor.type_name not in _HIGH_PRECISION,
    )


def _uncovered(call: QuantizeCall, log: LlamaLog) -> list[str]:
    """Return llama.cpp's remarks on weights without importance, which it makes at its lowest level.

    Embeddings never have any (nothing is multiplied with them) and are left out, as upstream says.
    """
    if not call.imatrix:
        return []
    found = [line.strip("= ") for line in log.lines if _NO_WEIGHTS_FOUND.match(line)]
    return [line for line in found if not re.search(r"(token_embd|output)\.weight", line)]


if __name__ == "__main__":
    serve(quantize, QuantizeCall)
