"""Whether weights sit on a grid of few values, as those do that were quantized and expanded again.

Formats that give every weight four bits or less share a scale, and a zero point, among 16 to 256 neighbours
of a row (GGUF's Q4 and narrower, GPTQ, AWQ, NF4, MXFP4, NVFP4): a block of 32 neighbours has at most sixteen
different values a scale. Of 32 trained weights in bfloat16 about thirty differ.
"""

from dataclasses import dataclass

import numpy as np

from quantgate.pipelines.formats.safetensors import DTYPE_BITS, FLOAT_TYPES, StoredTensor

BLOCK = 32
_MOST_VALUES = 16
_SAMPLES = 64
_WORDS: "dict[int, np.dtype[np.unsignedinteger]]" = {
    16: np.dtype("<u2"),
    32: np.dtype("<u4"),
    64: np.dtype("<u8"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockValues:
    """How many different values the sampled blocks of a matrix have at most, and whether that is a grid's."""

    most: int

    @property
    def is_grid(self) -> bool:
        """Whether four bits could name every value of a block."""
        return self.most <= _MOST_VALUES


def block_values(tensor: StoredTensor) -> BlockValues | None:
    """Look at 64 blocks from all over a matrix; None for what is none, or whose blocks are constant."""
    if len(tensor.shape) < 2 or tensor.dtype not in FLOAT_TYPES or tensor.shape[-1] % BLOCK:
        return None
    bits = DTYPE_BITS[tensor.dtype]
    block_bytes = BLOCK * bits // 8
    blocks = tensor.size_bytes // block_bytes
    if not blocks:
        return None
    most = 0
    with tensor.file.open("rb") as file:
        for number in np.linspace(0, blocks - 1, num=min(_SAMPLES, blocks), dtype=np.int64):
            file.seek(tensor.start + int(number) * block_bytes)
            words = np.frombuffer(file.read(block_bytes), dtype=_WORDS[bits])
            most = max(most, len(np.unique(words)))
    return BlockValues(most=most) if most > 1 else None
