"""Values of safetensors files, looked at in bounded memory: which tensors hold NaN or infinity.

A float is not finite when its exponent bits are all ones (IEEE 754; bfloat16 and float8_e5m2 alike).
float8_e4m3fn has no infinity and one NaN pattern per sign, float8_e8m0 is NaN at 0xFF (OCP OFP8 and
Microscaling specifications).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from quantgate.pipelines.formats.safetensors import StoredTensor

_CHUNK_BYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class _Pattern:
    """Bit patterns that are not finite: those whose masked value is at least `first`."""

    word: "np.dtype[np.unsignedinteger]"
    mask: int
    first: int


_PATTERNS = {
    "F64": _Pattern(np.dtype("<u8"), 0x7FFF_FFFF_FFFF_FFFF, 0x7FF0_0000_0000_0000),
    "F32": _Pattern(np.dtype("<u4"), 0x7FFF_FFFF, 0x7F80_0000),
    "F16": _Pattern(np.dtype("<u2"), 0x7FFF, 0x7C00),
    "BF16": _Pattern(np.dtype("<u2"), 0x7FFF, 0x7F80),
    "F8_E5M2": _Pattern(np.dtype("u1"), 0x7F, 0x7C),
    "F8_E4M3": _Pattern(np.dtype("u1"), 0x7F, 0x7F),
    "F8_E8M0": _Pattern(np.dtype("u1"), 0xFF, 0xFF),
}


def nonfinite_tensors(tensors: Iterable[StoredTensor]) -> tuple[str, ...]:
    """Return the names of tensors that hold NaN or infinity; integer tensors cannot.

    Reads every byte once, at most 16 MiB of them at a time.
    """
    return tuple(tensor.name for tensor in tensors if _has_nonfinite(tensor))


def _has_nonfinite(tensor: StoredTensor) -> bool:
    pattern = _PATTERNS.get(tensor.dtype)
    if pattern is None:
        return False
    with tensor.file.open("rb") as file:
        file.seek(tensor.start)
        remaining = tensor.size_bytes
        while remaining:
            chunk = file.read(min(remaining, _CHUNK_BYTES))
            if not chunk:
                return True  # shorter than its header said a moment ago: certainly not sound
            words = np.frombuffer(chunk, dtype=pattern.word)
            if int((words & pattern.word.type(pattern.mask)).max()) >= pattern.first:
                return True
            remaining -= len(chunk)
    return False
