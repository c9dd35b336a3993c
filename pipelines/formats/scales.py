"""Whether a stored scale can scale anything: every value above zero and finite.

IEEE 754 and bfloat16 words of positive finite numbers are the unsigned integers between zero and the word of
infinity, so that no conversion is needed.
"""

import numpy as np

from quantgate.pipelines.formats.safetensors import StoredTensor

_INFINITY = {"BF16": ("<u2", 0x7F80), "F16": ("<u2", 0x7C00), "F32": ("<u4", 0x7F80_0000)}
"""Word and bits of infinity, by type."""


def is_positive(tensor: StoredTensor) -> bool:
    """Whether a scale has values, and every one is above zero and finite; False for other types."""
    if tensor.dtype not in _INFINITY or not tensor.parameter_count:
        return False
    word, infinity = _INFINITY[tensor.dtype]
    with tensor.file.open("rb") as file:
        file.seek(tensor.start)
        words = np.frombuffer(file.read(tensor.size_bytes), dtype=np.dtype(word))
    return bool(((words > 0) & (words < infinity)).all())
