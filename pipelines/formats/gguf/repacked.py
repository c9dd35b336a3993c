"""Which types llama.cpp lays out anew in memory, so that a processor's matrix instructions take them.

`ggml_repack_get_optimal_repack_type` in ggml-cpu/repack.cpp of the pinned version. Whatever stays as the
file has it is computed with where it is mapped.
"""

import platform

_EVERYWHERE = frozenset({"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"})
_BY_PROCESSOR = {
    "x86_64": frozenset({"Q2_K"}),  # with AVX-512
    "aarch64": frozenset({"Q5_K", "Q6_K", "Q8_0"}),
    "arm64": frozenset({"Q5_K", "Q6_K", "Q8_0"}),
}


def is_repacked(tensor_type: str) -> bool:
    """Whether matrices of a type may be laid out anew on a processor of this machine's kind."""
    return tensor_type in _EVERYWHERE | _BY_PROCESSOR.get(platform.machine(), frozenset())
