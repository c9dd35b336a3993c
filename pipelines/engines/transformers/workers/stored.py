"""Tensors of safetensors files as torch's, read from where their header says that they are."""

from dataclasses import replace

import torch

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.formats.experts import FusedPart
from quantgate.pipelines.formats.safetensors import StoredTensor

_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "F8_E8M0": torch.float8_e8m0fnu,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U64": torch.uint64, "U32": torch.uint32, "U16": torch.uint16, "U8": torch.uint8,
    "BOOL": torch.bool, "C64": torch.complex64,
}  # fmt: skip


def read_tensor(stored: StoredTensor) -> torch.Tensor:
    """Return a tensor's values, in the type that they are stored in.

    Raises:
        CheckpointError: where torch has no such type.
    """
    dtype = _DTYPES.get(stored.dtype)
    if dtype is None:
        raise CheckpointError(
            f"stores {stored.name} as {stored.dtype}, which torch has no type for",
            where=str(stored.file),
            next_step="take a checkpoint in BF16, FP16 or F32",
        )
    if not stored.size_bytes:
        return torch.empty(stored.shape, dtype=dtype)
    with stored.file.open("rb") as file:
        file.seek(stored.start)
        values = bytearray(file.read(stored.size_bytes))
    return torch.frombuffer(values, dtype=dtype).reshape(stored.shape)


def read_part(fused: StoredTensor, part: FusedPart) -> torch.Tensor:
    """Return one expert's matrix (outputs x inputs) or bias of a fused tensor, which is not read whole."""
    size_bytes = fused.size_bytes // fused.shape[0]
    expert = read_tensor(
        replace(
            fused,
            shape=fused.shape[1:],
            start=fused.start + part.index * size_bytes,
            size_bytes=size_bytes,
        )
    )
    outputs = expert.T if part.transposed and expert.dim() > 1 else expert
    if outputs.shape[0] == part.shape[0]:
        return outputs
    second = part.part == "up_proj"
    if part.interleaved:
        return outputs[int(second) :: 2]
    return outputs[part.shape[0] :] if second else outputs[: part.shape[0]]
