"""A mixture's experts and routers, told from the names and shapes of tensors alone.

Folders store an expert as matrices of its own (`mlp.experts.3.gate_proj.weight`, or `w1`, `w3` and `w2` for
gate, up and down), or all experts of a layer fused into tensors of three dimensions: `experts.gate_up_proj`
and `experts.down_proj`, experts x inputs x outputs (gpt-oss, Llama 4) or experts x outputs x inputs
(transformers 5.17, `integrations/moe.py`), and Granite's `input_linear` and `output_linear`. llm-compressor
0.14 takes fused ones apart (`modeling/moe/linear_experts.py`): what it writes has names of the first kind.
"""

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal

from quantgate.pipelines.domain.checkpoint import TensorFacts
from quantgate.pipelines.formats.safetensors import StoredTensor

Shape = tuple[int, ...]
Part = Literal["gate_proj", "up_proj", "down_proj"]

APART = re.compile(r"\.experts\.\d+\.")
"""Stands in the name of whatever belongs to a single expert, quantized or not."""

_MATRIX = re.compile(
    r"(?P<block>.+)\.experts\.(?P<expert>\d+)\.(?P<part>\w+)\.(?P<kind>weight|bias)"
)
_FUSED = re.compile(
    r"(?P<block>.+)\.experts\.(?P<parts>gate_up|up|down)_proj(?:\.weight)?(?P<bias>_bias)?"
)
_GRANITE = re.compile(r"(?P<block>.+block_sparse_moe)\.(?P<parts>input|output)_linear\.weight")
_PARTS: Mapping[str, tuple[Part, ...]] = {
    "gate_up": ("gate_proj", "up_proj"),
    "input": ("gate_proj", "up_proj"),
    "up": ("up_proj",),
    "down": ("down_proj",),
    "output": ("down_proj",),
}
_SPELLED: Mapping[str, Part] = {"w1": "gate_proj", "w3": "up_proj", "w2": "down_proj"}
_FUSED_DIMENSIONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FusedPart:
    """Where one expert's matrix or bias stands in a fused tensor.

    `fused` names the tensor, `index` is the expert's along its first dimension. `transposed` says that what
    follows is inputs x outputs; `interleaved` that gate and up take turns along the outputs (gpt-oss).
    """

    fused: str
    index: int
    part: Part
    shape: Shape
    transposed: bool
    interleaved: bool


def as_llmcompressor_names(name: str) -> str:
    """Return the name under which llm-compressor knows an expert's tensor.

    `mlp.experts.3.gate_proj.weight` for `block_sparse_moe.experts.3.w1.weight`, as transformers has it.
    """
    match = _MATRIX.fullmatch(name)
    if match is None or match["part"] not in _SPELLED:
        return name
    block = match["block"].replace(".block_sparse_moe", ".mlp")
    return f"{block}.experts.{match['expert']}.{_SPELLED[match['part']]}.{match['kind']}"


def fused_parts(shapes: Mapping[str, Shape]) -> dict[str, FusedPart]:
    """Return every matrix and bias that fused tensors hold, by the name that it has once they are apart."""
    parts: dict[str, FusedPart] = {}
    for name, shape in shapes.items():
        match = _FUSED.fullmatch(name) or _GRANITE.fullmatch(name)
        if match is None or not _is_fused(match, shape):
            continue
        transposed = _is_transposed(match["block"], shapes)
        interleaved = f"{match['block']}.experts.gate_up_proj_bias" in shapes
        for index in range(shape[0]):
            for part, part_shape in _split(match, shape, transposed):
                kind = "bias" if len(part_shape) == 1 else "weight"
                parts[f"{match['block']}.experts.{index}.{part}.{kind}"] = FusedPart(
                    fused=name,
                    index=index,
                    part=part,
                    shape=part_shape,
                    transposed=transposed,
                    interleaved=interleaved,
                )
    return parts


def experts_apart(tensors: Iterable[TensorFacts]) -> tuple[TensorFacts, ...]:
    """Return a checkpoint's tensors as llm-compressor writes them: a matrix for each expert."""
    tensors = tuple(tensors)
    parts = fused_parts({tensor.name: tensor.shape for tensor in tensors})
    dtypes = {tensor.name: tensor.dtype for tensor in tensors}
    gone = {part.fused for part in parts.values()}
    return (
        *(tensor for tensor in tensors if tensor.name not in gone),
        *(
            TensorFacts(name=name, shape=part.shape, dtype=dtypes[part.fused])
            for name, part in parts.items()
        ),
    )


def base_counts(base: Iterable[StoredTensor], written: Container[str]) -> dict[str, int]:
    """Return how many weights each of a base's tensors has, by name; what was written apart counts apart."""
    shapes = {tensor.name: tensor.shape for tensor in base}
    parts = fused_parts(shapes)
    gone = {part.fused for name, part in parts.items() if name in written}
    whole = {name: prod(shape) for name, shape in shapes.items() if name not in gone}
    return whole | {name: prod(part.shape) for name, part in parts.items() if part.fused in gone}


def routers(shapes: Mapping[str, Shape]) -> frozenset[str]:
    """Return the matrices that decide where a token goes, or how much a shared expert counts.

    Those are the ones beside a layer's experts with as many outputs as there are experts, or a single one.
    `shapes` has no fused tensors.
    """
    counts: dict[str, int] = {}
    for name in shapes:
        if match := _MATRIX.fullmatch(name):
            counts[match["block"]] = max(counts.get(match["block"], 0), int(match["expert"]) + 1)
    return frozenset(
        name
        for name, shape in shapes.items()
        if len(shape) == 2 and name.endswith(".weight") and not _MATRIX.fullmatch(name)
        for block in _blocks_around(name, counts)
        if shape[0] in (counts[block], 1)
    )


def _blocks_around(name: str, counts: Mapping[str, int]) -> Iterator[str]:
    """Yield the block of experts that a tensor stands beside, if any."""
    path = name.split(".")
    for length in range(len(path) - 1, 0, -1):
        if (block := ".".join(path[:length])) in counts:
            yield block


def _is_fused(match: re.Match[str], shape: Shape) -> bool:
    has_bias = match.re is _FUSED and match["bias"] is not None
    return len(shape) == (_FUSED_DIMENSIONS - 1 if has_bias else _FUSED_DIMENSIONS)


def _is_transposed(block: str, shapes: Mapping[str, Shape]) -> bool:
    """Whether a block's fused matrices are inputs x outputs: gate and up together tell it by their sides."""
    wide = shapes.get(f"{block}.experts.gate_up_proj", ())
    down = shapes.get(f"{block}.experts.down_proj", ())
    if not len(wide) == len(down) == _FUSED_DIMENSIONS:
        return False
    return wide[1:] == (down[2], 2 * down[1])


def _split(match: re.Match[str], shape: Shape, transposed: bool) -> Iterator[tuple[Part, Shape]]:
    parts = _PARTS[match["parts"]]
    sides = shape[:0:-1] if transposed and len(shape) == _FUSED_DIMENSIONS else shape[1:]
    for part in parts:
        yield part, (sides[0] // len(parts), *sides[1:])
