"""GGUF files of others: which types their weights have, and what they say of their making.

Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, "Standardized key-value pairs";
`quantize.imatrix.*` as tools/quantize/quantize.cpp of llama.cpp writes them.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

from quantgate.pipelines.domain.foreign import MadeBy
from quantgate.pipelines.domain.recipe import Format, Numerics
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.domain.variant import QuantizedTensor, bits_of_all, bits_of_quantized
from quantgate.pipelines.engines.written import written_tensors
from quantgate.pipelines.formats.gguf.header import GgufHeader
from quantgate.pipelines.formats.gguf.parts import gguf_files, part_name
from quantgate.pipelines.formats.gguf.types import FILE_TYPE_NUMBERS, GGML_TYPES, MAIN_TYPES
from quantgate.pipelines.variants.foreign.looks import ForeignLook, claims_of

_MODEL = "model"
_SHARE = 0.25
_OUTSIDE_LAYERS = frozenset({"token_embd.weight", "per_layer_token_embd.weight", "output.weight"})
_FLOATING = frozenset({"MXFP4", "NVFP4"})
_CLAIMS = re.compile(
    r"general\.(name|quantized_by|base_model\.0\.(name|organization|repo_url))"
    r"|quantize\.imatrix\.(file|dataset|entries_count|chunks_count)"
)
_OTHER_KINDS = {
    "adapter": "is a LoRA adapter, not a model",
    "mmproj": "is a projector of images or sound, not a model of text",
    "imatrix": "is an importance matrix, not a model",
    "vocab": "holds a vocabulary and no weights",
}
_PROJECTOR = "clip"


def no_quant(header: GgufHeader) -> str | None:
    """Return why a GGUF file is no quantized model of text, None where it is one."""
    metadata = header.metadata
    if (reason := _OTHER_KINDS.get(str(metadata.get("general.type")))) is not None:
        return reason
    architecture = metadata.get("general.architecture")
    if architecture == _PROJECTOR:
        return _OTHER_KINDS["mmproj"]
    if not isinstance(architecture, str):
        return "names no architecture (general.architecture)"
    if not header.tensors:
        return _OTHER_KINDS["vocab"]
    if not any(tensor.quantized for tensor in _tensors(header)):
        types = ", ".join(sorted({tensor.dtype for tensor in header.tensors}))
        return f"is not quantized: all of its tensors are {types}"
    return None


def look_into_gguf(file: Path, header: GgufHeader) -> ForeignLook:
    """Return what stands in a GGUF file, in all of its parts, for which `no_quant` has no reason."""
    tensors = _tensors(header)
    kind = _main_type(tensors)
    paths = gguf_files(file)
    names = [
        part_name(_MODEL, number, len(paths)) if len(paths) > 1 else f"{_MODEL}.gguf"
        for number in range(1, len(paths) + 1)
    ]
    return ForeignLook(
        format=Format.GGUF,
        scheme=_scheme(header.metadata, tensors),
        numerics=Numerics(weights=_weights(kind), activations="A8", kv_cache="KV16"),
        main_type=kind,
        quantization="",
        bits_per_weight=bits_of_quantized(tensors),
        file_bits_per_weight=bits_of_all(tensors),
        weights_bytes=sum(path.stat().st_size for path in paths),
        files=dict(zip(names, paths, strict=True)),
        claims=tuple(_claims(header.metadata)),
    )


def _tensors(header: GgufHeader) -> tuple[QuantizedTensor, ...]:
    return written_tensors(Format.GGUF, (), header.tensors, Path())


def _main_type(tensors: Sequence[QuantizedTensor]) -> str:
    """Return the narrowest type that, with those narrower still, a quarter of its layers' weights have.

    A few narrow tensors do not stand for all, nor do wider ones make a model finer than most of it is.
    """
    quantized = [tensor for tensor in tensors if tensor.quantized]
    inside = [tensor for tensor in quantized if tensor.name not in _OUTSIDE_LAYERS] or quantized
    inside.sort(key=lambda tensor: (GGML_TYPES[tensor.type].bits_per_weight, tensor.type))
    share = _SHARE * sum(tensor.parameter_count for tensor in inside)
    counts = accumulate(tensor.parameter_count for tensor in inside)
    return next(t.type for t, count in zip(inside, counts, strict=True) if count >= share)


def _weights(kind: str) -> str:
    """Return the bits of a type as numerics write them: the first digits of its name."""
    digits = re.search(r"\d+", kind)
    return f"W{digits[0] if digits else 16}{'f' if kind in _FLOATING else ''}"


def _scheme(metadata: JsonObject, tensors: Sequence[QuantizedTensor]) -> str:
    """Return the label on the file where its tensors bear it out, else the types that they have."""
    types = {tensor.type for tensor in tensors if tensor.quantized}
    label = _label(metadata)
    if MAIN_TYPES.get(label, label) in types:
        return label
    return " + ".join(sorted(types, key=lambda kind: GGML_TYPES[kind].bits_per_weight))


def _label(metadata: JsonObject) -> str:
    number = metadata.get("general.file_type")
    names = (name for name, each in FILE_TYPE_NUMBERS.items() if each == number)
    return next(names, f"file type {number}")


def _claims(metadata: JsonObject) -> Iterator[MadeBy]:
    if "general.file_type" in metadata:
        yield MadeBy(subject="general.file_type", text=_label(metadata))
    yield from claims_of({key: value for key, value in metadata.items() if _CLAIMS.fullmatch(key)})
