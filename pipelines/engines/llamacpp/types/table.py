"""Which tensor types and file types llama.cpp quantizes to, and what an importance matrix does to each.

A file type sets a default tensor type, and gives some tensors another one by its own rules
(`llama_tensor_get_type_impl` in src/llama-quant.cpp).
"""

from dataclasses import dataclass

from quantgate.pipelines.formats.gguf.types import GGML_TYPES, MAIN_TYPES, GgmlType

_WITHOUT_IMPORTANCE = ("Q8_0", "MXFP4", "NVFP4", "TQ2_0", "TQ1_0")
_USING_IMPORTANCE = (
    "Q5_1", "Q5_0", "Q4_1", "Q4_0", "IQ4_NL", "Q6_K", "Q5_K", "Q4_K", "IQ4_XS", "Q3_K", "IQ3_S", "Q2_K",
)  # fmt: skip
_NEEDING_IMPORTANCE = ("IQ3_XXS", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ1_M", "IQ1_S")
_FILES_NEEDING_IMPORTANCE = frozenset({"Q2_K_S", "IQ3_XS", "IQ2_M", *_NEEDING_IMPORTANCE})


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorType:
    """A type that llama.cpp quantizes weights to. Its blocks run along a weight's rows.

    `uses_importance`: an importance matrix changes what is written; `needs_importance`: llama.cpp refuses to
    write it without one (`tensor_requires_imatrix`).
    """

    ggml: GgmlType
    uses_importance: bool
    needs_importance: bool

    @property
    def name(self) -> str:
        """Return ggml's name of it."""
        return self.ggml.name

    @property
    def block(self) -> int:
        """How many weights of a row share a block."""
        return self.ggml.block

    @property
    def bits_per_weight(self) -> float:
        """What a weight costs, scales included."""
        return self.ggml.bits_per_weight


TENSOR_TYPES: dict[str, TensorType] = {
    name: TensorType(
        ggml=GGML_TYPES[name],
        uses_importance=name not in _WITHOUT_IMPORTANCE,
        needs_importance=name in _NEEDING_IMPORTANCE,
    )
    for name in (*_WITHOUT_IMPORTANCE, *_USING_IMPORTANCE, *_NEEDING_IMPORTANCE)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FileType:
    """One file type, named for `tensor_type`; `needs_imatrix`: llama.cpp refuses it without."""

    name: str
    tensor_type: TensorType
    needs_imatrix: bool

    @property
    def block(self) -> int:
        """How many weights of a row share a block."""
        return self.tensor_type.block


FILE_TYPES: dict[str, FileType] = {
    name: FileType(
        name=name,
        tensor_type=TENSOR_TYPES[main],
        needs_imatrix=name in _FILES_NEEDING_IMPORTANCE,
    )
    for name, main in MAIN_TYPES.items()
}
"""NVFP4 and MXFP4 come by tensor types on Q8_0."""
