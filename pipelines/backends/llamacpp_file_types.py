"""llama.cpp's file types, and which checkpoint shapes each one fits.

A file type sets a default tensor type, whose blocks run along a weight's rows. Where a row is no
multiple of the block, llama.cpp silently takes another type (`tensor_type_fallback` in
src/llama-quant.cpp), and where it is no multiple of 32 either it leaves F16 and still reports success.
"""

import re
from collections import Counter
from dataclasses import dataclass

from pipelines.domain.checkpoint import Checkpoint

_SMALL, _LARGE = 32, 256  # QK8_0 and QK_K in ggml/src/ggml-common.h
_BLOCK_WEIGHT = re.compile(r"\.(\d+)\..*weight$")
# Routers stay in F32 (`ffn_gate_inp`), norms have one dimension except where stacked.
_NOT_QUANTIZED = re.compile(
    r"norm\.weight$|(mlp|block_sparse_moe|feed_forward)\.(gate|router)\.weight$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileType:
    """One file type. `fallback` is the type of the same width that fits rows of multiples of 32."""

    name: str
    block: int
    needs_imatrix: bool
    fallback: str


def _small(*names: str) -> list[FileType]:
    return [FileType(name=name, block=_SMALL, needs_imatrix=False, fallback=name) for name in names]


def _large(fallback: str, *names: str, needs_imatrix: bool = False) -> list[FileType]:
    return [
        FileType(name=name, block=_LARGE, needs_imatrix=needs_imatrix, fallback=fallback)
        for name in names
    ]


FILE_TYPES: dict[str, FileType] = {
    row.name: row
    for row in (
        *_small("Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0", "IQ4_NL"),
        *_large("Q8_0", "Q6_K"),
        *_large("Q5_1", "Q5_K_M", "Q5_K_S"),
        *_large("Q5_0", "Q4_K_M", "Q4_K_S"),
        *_large("Q4_0", "Q3_K_L", "Q3_K_M", "Q3_K_S", "Q2_K", "TQ1_0", "TQ2_0"),
        *_large("IQ4_NL", "IQ4_XS", "IQ3_M", "IQ3_S"),
        *_large("Q4_0", "Q2_K_S", needs_imatrix=True),
        *_large(
            "IQ4_NL",
            *("IQ3_XS", "IQ3_XXS", "IQ2_M", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ1_M", "IQ1_S"),
            needs_imatrix=True,
        ),
    )
}


def misfitting_shapes(checkpoint: Checkpoint, file_type: FileType) -> tuple[str, ...]:
    """Return one sentence per row size that the file type's blocks do not divide, largest group first."""
    rows: Counter[int] = Counter()
    example: dict[int, str] = {}
    for tensor in checkpoint.tensors:
        if len(tensor.shape) < 2 or not _BLOCK_WEIGHT.search(tensor.name):
            continue
        if _NOT_QUANTIZED.search(tensor.name) or tensor.shape[-1] % file_type.block == 0:
            continue
        rows[tensor.shape[-1]] += 1
        example.setdefault(tensor.shape[-1], tensor.name)
    return tuple(
        _sentence(file_type, example[row], row, count) for row, count in rows.most_common()
    )


def _sentence(file_type: FileType, name: str, row: int, count: int) -> str:
    others = f" (and {count - 1} more)" if count > 1 else ""
    fits = (
        f"{file_type.fallback} fits, and so does Q8_0"
        if row % _SMALL == 0
        else "no GGUF file type fits, llama.cpp would leave it at F16"
    )
    return (
        f"{name}{others} has rows of {row} weights and {file_type.name} works in blocks of "
        f"{file_type.block}: {fits}"
    )
