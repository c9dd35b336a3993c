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

from quantgate.pipelines.domain.errors import InputError, WorkerError
from quantgate.pipelines.domain.variant import QuantizedTensor
from quantgate.pipelines.engines.llamacpp.build_messages import QuantizeCall, QuantizeFacts
from quantgate.pipelines.engines.llamacpp.types.facts import GgufWeight
from quantgate.pipelines.engines.llamacpp.types.table import TENSOR_TYPES
from quantgate.pipelines.engines.llamacpp.types.tensor_names import NEVER_COVERED
from quantgate.pipelines.engines.llamacpp.workers.building.gguf import (
    FloatArray,
    Gguf,
    read_gguf,
)
from quantgate.pipelines.engines.llamacpp.workers.opening import LlamaLog
from quantgate.pipelines.formats.gguf.types import GGML_TYPES
from quantgate.pipelines.formats.safetensors import StoredTensor
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve

_OVERRIDE = "applying manual override"
"""What llama.cpp says for every tensor that a rule is followed for."""
_HIGH_PRECISION = frozenset({"F32", "F16", "BF16"})


def quantize(call: QuantizeCall, on_progress: OnProgress) -> QuantizeFacts:
    """Quantize, then report the file's tensors.

    Raises:
        InputError: where source and output are one file (llama.cpp would destroy it), it knows no such
            file or tensor type, or a pattern matches no tensor that is quantized.
        WorkerError: with llama.cpp's reason, where it fails; or where a tensor did not get its type.
    """
    if call.output.exists() and call.output.samefile(call.source):
        raise InputError(
            "source and output are the same file",
            where=str(call.source),
            next_step="name another place for what is written",
        )
    log = LlamaLog()
    _refuse_idle_rules(call)
    parameters, keep = _parameters(call)
    on_progress(Progress(done=0, total=0, what=f"quantizing to {call.file_type}"))
    code = llama_cpp.llama_model_quantize(
        str(call.source).encode(), str(call.output).encode(), ctypes.byref(parameters)
    )
    del keep
    if code:
        raise WorkerError(f"llama_model_quantize failed: {log.reason}", where=str(call.source))
    with read_gguf(call.output) as gguf, read_gguf(call.source) as source:
        _hold_to_rules(call, gguf)
        return _facts(call, gguf, source, log)


def _parameters(
    call: QuantizeCall,
) -> tuple[llama_cpp.llama_model_quantize_params, list[object]]:
    """Return the parameters, and the objects that must live as long as they are used."""
    parameters = llama_cpp.llama_model_quantize_default_params()
    number = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{call.file_type}", None)
    if number is None:
        raise InputError(
            f"this llama.cpp knows no file type {call.file_type}",
            next_step="choose another recipe: `quantgate recipes` lists them",
        )
    parameters.ftype = number
    parameters.nthread = call.threads
    keep: list[object] = []
    if call.tensor_types:
        rules = (llama_cpp.llama_model_tensor_override * (len(call.tensor_types) + 1))()
        for entry, rule in zip(rules, call.tensor_types, strict=False):
            entry.pattern, entry.type = rule.pattern.encode(), _number(rule.type)
        parameters.tt_overrides = rules
        keep.append(rules)
    if call.imatrix:
        means = dict(_means(call.imatrix))
        entries = (llama_cpp.llama_model_imatrix_data * (len(means) + 1))()
        for entry, (name, values) in zip(entries, means.items(), strict=False):
            entry.name = name.encode()
            entry.data = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
            entry.size = values.size
        parameters.imatrix = entries
        keep += [means, entries]
    return parameters, keep


def _refuse_idle_rules(call: QuantizeCall) -> None:
    """Raise for a pattern that finds nothing: llama.cpp would pass over it in silence."""
    if not call.tensor_types:
        return
    with read_gguf(call.source) as source:
        names = [tensor.name for tensor in source.tensors if _is_promised(tensor, source)]
    for rule in call.tensor_types:
        if not any(re.search(rule.pattern, name) for name in names):
            raise InputError(
                f"tensor_types: '{rule.pattern}' matches none of {len(names)} tensors",
                where=str(call.source),
                next_step=f"tensors are called as in {', '.join(names[:3])}",
            )


def _hold_to_rules(call: QuantizeCall, gguf: Gguf) -> None:
    """Raise where a tensor did not get the type of the first rule that matches it."""
    for tensor in gguf.tensors:
        ruled = (rule.type for rule in call.tensor_types if re.search(rule.pattern, tensor.name))
        promised = next(ruled, None) if _is_promised(tensor, gguf) else None
        if promised is not None and tensor.dtype != promised.upper():
            raise WorkerError(
                f"{tensor.name} became {tensor.dtype} where tensor_types say {promised}",
                where=str(call.output),
            )


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
        promised=tuple(tensor.name for tensor in source.tensors if _is_promised(tensor, source)),
        nonfinite_tensors=tuple(t.name for t in gguf.tensors if not gguf.is_finite(t)),
        uncovered=tuple(_uncovered(call, tensors)),
        warnings=tuple(line for line in log.warnings if _OVERRIDE not in line),
    )


def _is_promised(tensor: StoredTensor, gguf: Gguf) -> bool:
    weight = GgufWeight(name=tensor.name, shape=tensor.shape, architecture=gguf.architecture)
    return weight.has_a_type


def _fact(tensor: StoredTensor) -> QuantizedTensor:
    return QuantizedTensor(
        name=tensor.name,
        type=tensor.dtype,
        parameter_count=tensor.parameter_count,
        bits_per_weight=8 * tensor.size_bytes / tensor.parameter_count,
        quantized=tensor.dtype not in _HIGH_PRECISION,
    )


def _number(kind: str) -> int:
    """Return ggml's number of a tensor type, in whatever case.

    Raises:
        InputError: where there is none.
    """
    if kind.upper() not in GGML_TYPES:
        raise InputError(
            f"this llama.cpp knows no tensor type {kind}",
            next_step="name a type in the recipe that it knows (docs/recipes.md)",
        )
    return GGML_TYPES[kind.upper()].number


def _uncovered(call: QuantizeCall, tensors: tuple[QuantizedTensor, ...]) -> Iterator[str]:
    """Yield tensors whose type weighs errors by importance and that the matrix does not know.

    llama.cpp remarks on these at its lowest level, and then quantizes as if there were no matrix.
    """
    if not call.imatrix:
        return
    with read_gguf(call.imatrix) as gguf:
        covered = {tensor.name.removesuffix(".in_sum2") for tensor in gguf.tensors}
    for tensor in tensors:
        kind = TENSOR_TYPES.get(tensor.type)
        weighed = tensor.quantized and (kind is None or kind.uses_importance)
        if weighed and tensor.name not in covered and tensor.name not in NEVER_COVERED:
            yield tensor.name


if __name__ == "__main__":
    serve(quantize, QuantizeCall)
