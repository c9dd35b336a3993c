"""llama.cpp's tensor types and file types: how many weights share a block, what importance does to each.

A file type sets a default tensor type, and gives some tensors another one by its own rules
(`llama_tensor_get_type_impl` in src/llama-quant.cpp).
"""

from dataclasses import dataclass

SMALL_BLOCK, LARGE_BLOCK = 32, 256  # QK8_0 and QK_K in ggml/src/ggml-common.h


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorType:
    """One ggml type. Its blocks run along a weight's rows.

    `bits_per_weight` counts scales. `uses_importance`: an importance matrix changes what is written;
    `needs_importance`: llama.cpp refuses to write it without one (`tensor_requires_imatrix`).
    """

    name: str
    block: int
    bits_per_weight: float
    uses_importance: bool = True
    needs_importance: bool = False


TENSOR_TYPES: dict[str, TensorType] = {
    row.name: row
    for row in (
        *(
            TensorType(name=name, block=block, bits_per_weight=bits, uses_importance=False)
            for name, block, bits in (
                ("Q8_0", SMALL_BLOCK, 8.5),
                ("MXFP4", SMALL_BLOCK, 4.25),
                ("NVFP4", 64, 4.5),
                ("TQ2_0", LARGE_BLOCK, 2.0625),
                ("TQ1_0", LARGE_BLOCK, 1.6875),
            )
        ),
        *(
            TensorType(name=name, block=SMALL_BLOCK, bits_per_weight=bits)
            for name, bits in (
                ("Q5_1", 6.0),
                ("Q5_0", 5.5),
                ("Q4_1", 5.0),
                ("Q4_0", 4.5),
                ("IQ4_NL", 4.5),
            )
        ),
        *(
            TensorType(name=name, block=LARGE_BLOCK, bits_per_weight=bits)
            for name, bits in (
                ("Q6_K", 6.5625),
                ("Q5_K", 5.5),
                ("Q4_K", 4.5),
                ("IQ4_XS", 4.25),
                ("Q3_K", 3.4375),
                ("IQ3_S", 3.4375),
                ("Q2_K", 2.625),
            )
        ),
        *(
            TensorType(name=name, block=LARGE_BLOCK, bits_per_weight=bits, needs_importance=True)
            for name, bits in (
                ("IQ3_XXS", 3.0625),
                ("IQ2_S", 2.5625),
                ("IQ2_XS", 2.3125),
                ("IQ2_XXS", 2.0625),
                ("IQ1_M", 1.75),
                ("IQ1_S", 1.5625),
            )
        ),
    )
}
"""Sizes of blocks: ggml/src/ggml-common.h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileType:
    """One file type, named for `tensor_type`; `needs_imatrix`: llama.cpp refuses it without."""

    name: str
    tensor_type: TensorType
    needs_imatrix: bool = False

    @property
    def block(self) -> int:
        """How many weights of a row share a block."""
        return self.tensor_type.block


def _plain(tensor_type: str, *names: str, needs_imatrix: bool = False) -> list[FileType]:
    row = TENSOR_TYPES[tensor_type]
    return [FileType(name=name, tensor_type=row, needs_imatrix=needs_imatrix) for name in names]


FILE_TYPES: dict[str, FileType] = {
    row.name: row
    for row in (
        *(
            row
            for name in ("Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0", "IQ4_NL", "Q6_K", "IQ4_XS")
            for row in _plain(name, name)
        ),
        *_plain("Q5_K", "Q5_K_M", "Q5_K_S"),
        *_plain("Q4_K", "Q4_K_M", "Q4_K_S"),
        *_plain("Q3_K", "Q3_K_L", "Q3_K_M", "Q3_K_S"),
        *_plain("IQ3_S", "IQ3_M", "IQ3_S"),
        *_plain("Q2_K", "Q2_K"),
        *_plain("TQ2_0", "TQ2_0"),
        *_plain("TQ1_0", "TQ1_0"),
        *_plain("Q2_K", "Q2_K_S", needs_imatrix=True),
        *_plain("IQ3_S", "IQ3_XS", needs_imatrix=True),
        *_plain("IQ3_XXS", "IQ3_XXS", needs_imatrix=True),
        *_plain("IQ2_S", "IQ2_M", needs_imatrix=True),
        *_plain("IQ2_XS", "IQ2_S", "IQ2_XS", needs_imatrix=True),
        *_plain("IQ2_XXS", "IQ2_XXS", needs_imatrix=True),
        *_plain("IQ1_M", "IQ1_M", needs_imatrix=True),
        *_plain("IQ1_S", "IQ1_S", needs_imatrix=True),
    )
}
"""`llama_ftype_get_default_type` in src/llama-quant.cpp; NVFP4 and MXFP4 come by tensor types on Q8_0."""
