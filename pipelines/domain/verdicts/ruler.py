"""Rulers: plain round-to-nearest at a scheme's numerics, which nothing cleverer may fall behind.

Emulated by our own code on the base's weights, so that no tool's bug is measured against itself.
"""

from dataclasses import dataclass
from typing import Literal

Values = Literal["integer", "ternary", "e2m1", "e4m3"]
"""Numbers there are before scaling.

`integer`: two's complement of so many bits. `ternary`: -1, 0 and 1. `e2m1`, `e4m3`: the floats of OCP
Microscaling Formats (MX) Specification 1.0, sections 5.3.1 and 5.3.3.
"""

ScaleType = Literal["float", "e4m3", "e8m0"]
"""How a scale is stored. `float` is exact here.

`e4m3` comes with one exact scale a tensor (NVFP4); `e8m0` is a power of two (MX Specification 1.0).
"""

SharedBy = Literal["tensor", "row", "group", "block"]
"""What has one scale: a tensor, a row (a weight's output channel, an activation's token), so many
numbers in a row, or a square of so many rows and columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """What numbers are rounded to. `size` is of a group or block, 0 elsewhere.

    `bits` counts those of an integer, 0 elsewhere; `zero_point` says that a scale comes with one.
    """

    values: Values
    shared_by: SharedBy
    size: int = 0
    bits: int = 0
    zero_point: bool = False
    scale: ScaleType = "float"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruler:
    """What is rounded to which grid; None leaves 16 bits.

    `weights` are those of every linear layer but the output head, `activations` what goes into layers
    whose weights may be rounded (dynamically), `head` the output head's weights, `embeddings` those of an
    embedding of its own (one that is tied to the head is rounded as the head), `kv_cache` keys and values.
    """

    label: str
    weights: Grid | None = None
    activations: Grid | None = None
    head: Grid | None = None
    embeddings: Grid | None = None
    kv_cache: Grid | None = None
