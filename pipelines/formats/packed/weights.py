"""A linear layer's 4-bit matrix, and how three layouts store it.

All of them mean `weight[output, input] = (value - zero) * scale`, with one zero and scale for each output
and group of inputs:

- AWQ gemm (`WQLinear_GEMM` of autoawq 0.2.9): `qweight` int32 [inputs, outputs/8] and `qzeros` int32
  [groups, outputs/8], interleaved; `scales` [groups, outputs].
- GPTQ (`QuantLinear` of auto-gptq 0.7.1): `qweight` int32 [inputs/8, outputs]; `qzeros` int32
  [groups, outputs/8], one less than meant; `scales` [groups, outputs]; `g_idx` int32 [inputs], each
  input's group.
- compressed-tensors 0.19 (`pack-quantized`): `weight_packed` int32 [outputs, inputs/8];
  `weight_zero_point` int32 [outputs/8, groups], absent where all are 8; `weight_scale` [outputs, groups].
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.formats.arrays import Array
from quantgate.pipelines.formats.packed.config import PackedLayout
from quantgate.pipelines.formats.packed.int4 import (
    IN_ORDER,
    INTERLEAVED,
    VALUES_PER_WORD,
    Nibbles,
    pack,
    unpack,
)

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

_MIDDLE = 8
"""The zero point of symmetric weights."""
_LARGEST_ZERO = 15
_FLOATS = ("float16", "float32")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModule:
    """A quantized layer's tensors by their last names; `where` is the file or folder they stand in."""

    name: str
    where: str
    arrays: Mapping[str, Array]

    def refusal(self, part: str, what: str) -> CheckpointError:
        """Return an error that names one of the tensors."""
        return CheckpointError(
            f"{self.name}.{part} {what}",
            where=self.where,
            next_step="download or copy the file again and compare its checksum",
        )

    def words(self, part: str, shape: tuple[int, ...]) -> Array:
        """Return an int32 tensor that must have this shape."""
        return self._array(part, shape, ("int32",))

    def scales(self, part: str, shape: tuple[int, ...]) -> Floats:
        """Return scales that must have this shape, as float32.

        Raises:
            CheckpointError: where one is not finite.
        """
        scales = self._array(part, shape, _FLOATS).astype(np.float32)
        if not np.isfinite(scales).all():
            raise self.refusal(part, f"has {int((~np.isfinite(scales)).sum())} non-finite scales")
        return scales

    def _array(self, part: str, shape: tuple[int, ...], types: tuple[str, ...]) -> Array:
        array = self.arrays[part]
        if array.shape != shape or array.dtype.name not in types:
            raise self.refusal(
                part,
                f"is {array.dtype.name} {_by(array.shape)}, and {types[0]} {_by(shape)} is meant",
            )
        return array


@dataclass(frozen=True, slots=True, kw_only=True)
class Int4Weight:
    """`values` (0 to 15) are inputs x outputs, `zeros` and `scales` groups x outputs.

    `groups` names each input's group.
    """

    values: Nibbles
    zeros: Nibbles
    scales: Floats
    groups: Array

    def dense(self) -> Floats:
        """Return the weight, outputs x inputs; exact: 5-bit integers times 11-bit scales fit a float32."""
        steps = self.values.astype(np.int8) - self.zeros.astype(np.int8)[self.groups]
        return np.ascontiguousarray((steps * self.scales[self.groups]).T)


def from_awq(module: StoredModule, layout: PackedLayout) -> Int4Weight:
    """Read AWQ's gemm layout.

    Raises:
        CheckpointError: naming the tensor whose type, shape or values do not fit the layout.
    """
    inputs, width = _matrix(module, "qweight")
    count = _group_count(module, layout.group_size, inputs)
    qweight = module.words("qweight", (inputs, width))
    return Int4Weight(
        values=unpack(qweight, axis=1, order=INTERLEAVED),
        zeros=unpack(module.words("qzeros", (count, width)), axis=1, order=INTERLEAVED),
        scales=module.scales("scales", (count, width * VALUES_PER_WORD)),
        groups=_in_order(inputs, count),
    )


def from_gptq(module: StoredModule, layout: PackedLayout) -> Int4Weight:
    """Read GPTQ's layout.

    Raises:
        CheckpointError: naming the tensor whose type, shape or values do not fit the layout.
    """
    height, outputs = _matrix(module, "qweight")
    inputs = height * VALUES_PER_WORD
    count = _group_count(module, layout.group_size, inputs)
    if outputs % VALUES_PER_WORD:
        raise module.refusal("qweight", f"has {outputs} outputs, which do not fill whole words")
    stored = module.words("qzeros", (count, outputs // VALUES_PER_WORD))
    zeros = unpack(stored, axis=1, order=IN_ORDER) + np.uint8(layout.zero_offset)
    if int(zeros.max()) > _LARGEST_ZERO:
        raise module.refusal("qzeros", f"holds a zero point of {int(zeros.max())}, above 15")
    if layout.symmetric and (zeros != _MIDDLE).any():
        raise module.refusal("qzeros", "holds zero points other than 8 and config.json says `sym`")
    groups = module.words("g_idx", (inputs,))
    if groups.min() < 0 or groups.max() >= count:
        raise module.refusal("g_idx", f"names groups that are none of the {count}")
    if not layout.any_order and (groups != _in_order(inputs, count)).any():
        raise module.refusal("g_idx", "is not in order and config.json says no `desc_act`")
    return Int4Weight(
        values=unpack(module.words("qweight", (height, outputs)), axis=0, order=IN_ORDER),
        zeros=zeros,
        scales=module.scales("scales", (count, outputs)),
        groups=groups,
    )


def from_compressed_tensors(module: StoredModule, group_size: int) -> Int4Weight:
    """Read compressed-tensors' `pack-quantized` layout; no zero points means that all are 8.

    Raises:
        CheckpointError: naming the tensor whose type, shape or values do not fit the layout.
    """
    outputs, inputs = (int(size) for size in module.arrays["weight_shape"])
    count = _group_count(module, group_size, inputs)
    packed = module.words("weight_packed", (outputs, -(-inputs // VALUES_PER_WORD)))
    zeros = np.full((count, outputs), _MIDDLE, dtype=np.uint8)
    if "weight_zero_point" in module.arrays:
        stored = module.words("weight_zero_point", (-(-outputs // VALUES_PER_WORD), count))
        zeros = unpack(stored, axis=0, order=IN_ORDER)[:outputs].T
    return Int4Weight(
        values=unpack(packed, axis=1, order=IN_ORDER)[:, :inputs].T,
        zeros=zeros,
        scales=module.scales("weight_scale", (outputs, count)).T,
        groups=_in_order(inputs, count),
    )


def to_awq(weight: Int4Weight) -> dict[str, Array]:
    """Return the tensors of AWQ's gemm layout.

    Raises:
        ValueError: where a scale is not exact in float16, or eight do not divide the outputs.
    """
    return {
        "qweight": pack(weight.values, axis=1, order=INTERLEAVED),
        "qzeros": pack(weight.zeros, axis=1, order=INTERLEAVED),
        "scales": _halves(weight.scales),
    }


def to_gptq(weight: Int4Weight) -> dict[str, Array]:
    """Return the tensors of GPTQ's first layout, for symmetric weights only.

    Raises:
        ValueError: where a zero point is not 8 (a 0 has no equal there), a scale is not exact in
            float16, or eight do not divide inputs or outputs.
    """
    if (weight.zeros != _MIDDLE).any():
        raise ValueError("has zero points other than 8")
    return {
        "qweight": pack(weight.values, axis=0, order=IN_ORDER),
        "qzeros": pack(weight.zeros - np.uint8(1), axis=1, order=IN_ORDER),
        "scales": _halves(weight.scales),
        "g_idx": weight.groups.astype(np.int32),
    }


def _halves(scales: Floats) -> Array:
    """bfloat16 scales from 2^-17 up to 65504 are all exact in float16; smaller ones may not be."""
    with np.errstate(over="ignore"):
        halves = scales.astype(np.float16)
    lost = halves.astype(np.float32) != scales
    if lost.any():
        first = float(scales[lost][0])
        raise ValueError(f"has {int(lost.sum())} scales that float16 rounds, such as {first:.4g}")
    return np.ascontiguousarray(halves)


def _matrix(module: StoredModule, part: str) -> tuple[int, int]:
    shape = module.arrays[part].shape
    if len(shape) != 2 or 0 in shape:
        raise module.refusal(part, f"is {_by(shape)}, not a matrix")
    return shape[0], shape[1]


def _group_count(module: StoredModule, group_size: int | None, inputs: int) -> int:
    size = group_size or inputs
    if inputs % size:
        part = next(iter(module.arrays))
        raise module.refusal(part, f"has {inputs} inputs, which groups of {size} do not divide")
    return inputs // size


def _in_order(inputs: int, count: int) -> Array:
    return np.arange(inputs, dtype=np.int32) // np.int32(inputs // count)


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in shape) or "a number"
