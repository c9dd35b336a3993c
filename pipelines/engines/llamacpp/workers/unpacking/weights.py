"""Tensors of a GGUF file as a checkpoint's weights: named, ordered and expanded, one in memory at a time.

Only worker modules import this. Names come from llama.cpp's own `gguf` package (gguf/tensor_mapping.py) and
from the model that transformers builds of the configuration. What converters did to rows and norms is undone
(`LlamaModel.permute` and `GemmaModel.modify_tensors` in conversion/*.py beside llama.cpp's converter). F32,
F16 and BF16 stay as they are, bit for bit; what is low-bit is expanded by `gguf.quants` and rounded to
bfloat16.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from types import ModuleType
from typing import Any

import numpy as np
import torch

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.engines.llamacpp.unpacking.architectures import GgufArchitecture
from quantgate.pipelines.engines.llamacpp.unpacking.configuration import HEAD, ROTATION_TENSORS
from quantgate.pipelines.formats.arrays import Array, PendingTensor, read_bytes
from quantgate.pipelines.formats.gguf.types import GGML_TYPES
from quantgate.pipelines.formats.safetensors import StoredTensor

_WORDS: dict[str, "np.dtype[Any]"] = {
    "F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2"),
}  # fmt: skip
_STORED_HEAD, _WEIGHT = "lm_head.weight", "weight"
_EXPERTS_NAME, _PARTS = "blk.{layer}.ffn_{part}_exps.weight", ("gate", "up", "down")
_FUSED = ".mlp.experts."
"""Stands in names under which transformers has a layer's experts in one tensor; folders have them apart."""
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOutline:
    """A model as transformers builds it without weights: shapes by name, counts of heads and layers."""

    shapes: Mapping[str, tuple[int, ...]]
    heads: int
    kv_heads: int
    layers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightReader:
    """Reads the tensors of one GGUF file as weights of a model; `gguf` is llama.cpp's own package."""

    model: ModelOutline
    architecture: GgufArchitecture
    gguf: ModuleType
    where: str

    def pending(
        self, tensors: Sequence[StoredTensor], gguf_architecture: str
    ) -> list[PendingTensor]:
        """Return the model's weights, each read when it is written.

        Raises:
            CheckpointError: where the file lacks one, holds one that the model has no place for, or one of
                another shape or an unknown type.
        """
        names = self._names(gguf_architecture)
        experts = list(self._experts(tensors))
        together = {name for name, _ in experts}
        by_name = {tensor.name: tensor for tensor in tensors if tensor.name not in together}
        if strangers := sorted(by_name.keys() - names.keys() - set(ROTATION_TENSORS)):
            raise self._refusal("holds tensors that this architecture has no place for", strangers)
        if missing := sorted(names.keys() - by_name.keys() - {HEAD}):
            raise self._refusal("lacks tensors of this architecture", missing)
        return [
            *(
                self._pending(tensor, names[name])
                for name, tensor in by_name.items()
                if name in names
            ),
            *(pending for _, pending in experts),
        ]

    def _experts(self, tensors: Sequence[StoredTensor]) -> Iterator[tuple[str, PendingTensor]]:
        """Yield a mixture's experts one by one, with the names of the tensors that hold all of a layer's."""
        if not self.architecture.is_mixture:
            return
        needed = {
            _EXPERTS_NAME.format(layer=layer, part=part)
            for layer in range(self.model.layers)
            for part in _PARTS
        }
        if missing := sorted(needed - {tensor.name for tensor in tensors}):
            raise self._refusal("lacks tensors of this architecture", missing)
        for tensor in tensors:
            if tensor.name in needed:
                _, layer, part, _ = tensor.name.split(".")
                module = f"model.layers.{layer}.mlp.experts"
                projection = f"{part.split('_')[1]}_proj.{_WEIGHT}"
                for number, expert in enumerate(_apart(tensor)):
                    yield (
                        tensor.name,
                        self._stored(expert, f"{module}.{number}.{projection}", expert.shape),
                    )

    def _names(self, gguf_architecture: str) -> dict[str, str]:
        """Return the weights by the names of the tensors that hold them; a tied head has no tensor."""
        kinds = self.gguf.MODEL_ARCH_NAMES.items()
        kind = next(kind for kind, name in kinds if name == gguf_architecture)
        named = self.gguf.get_tensor_name_map(kind, self.model.layers)
        names = {HEAD: _STORED_HEAD}
        for weight in self.model.shapes.keys() - {_STORED_HEAD}:
            if self.architecture.is_mixture and _FUSED in weight:
                continue
            module, _, part = weight.rpartition(".")
            name = named.get_name(module)
            if name is None:
                raise self._refusal("has no tensors for weights of this architecture", [weight])
            names[f"{name}.{part}"] = weight
        return names

    def _pending(self, tensor: StoredTensor, weight: str) -> PendingTensor:
        shape = self.model.shapes[weight]
        if prod(shape) != tensor.parameter_count:
            raise self._refusal(
                f"has {tensor.parameter_count:,} values where the model has {prod(shape):,}",
                [tensor.name],
            )
        return self._stored(tensor, weight, shape)

    def _stored(self, tensor: StoredTensor, weight: str, shape: tuple[int, ...]) -> PendingTensor:
        return PendingTensor(
            name=weight,
            dtype=tensor.dtype if tensor.dtype in _WORDS else "BF16",
            shape=shape,
            content=lambda: self._undone(tensor, self._values(tensor)).tobytes(),
        )

    def _values(self, tensor: StoredTensor) -> Array:
        """Return values as they are stored, bfloat16 as words; those that are low-bit expanded."""
        raw = read_bytes(tensor)
        if tensor.dtype in _WORDS:
            return np.frombuffer(raw, dtype=_WORDS[tensor.dtype]).reshape(tensor.shape)
        kind = GGML_TYPES[tensor.dtype]
        row_bytes = tensor.shape[-1] // kind.block * kind.block_bytes
        blocks = np.frombuffer(raw, dtype=np.uint8).reshape(*tensor.shape[:-1], row_bytes)
        expand: Callable[[Array, Any], Array] = self.gguf.quants.dequantize
        values = expand(blocks, self.gguf.GGMLQuantizationType(kind.number))
        rounded = torch.from_numpy(values).to(torch.bfloat16).view(torch.uint16).numpy()
        return np.asarray(rounded).reshape(tensor.shape)

    def _undone(self, tensor: StoredTensor, values: Array) -> Array:
        if self.architecture.norms_plus_one and tensor.name.endswith("norm.weight"):
            if tensor.dtype != "F32":
                raise self._refusal(f"is {tensor.dtype}, and norms are F32", [tensor.name])
            return values - np.float32(1)
        for part, heads in (("attn_q", self.model.heads), ("attn_k", self.model.kv_heads)):
            if self.architecture.rotates_pairs and f".{part}." in tensor.name:
                return _unpaired(values, heads)
        return values

    def _refusal(self, what: str, names: Sequence[str]) -> CheckpointError:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return CheckpointError(
            f"{what}: {', '.join(names[:_SHOWN])}{more}",
            where=self.where,
            next_step="fetch or convert the file again, or name the checkpoint that it was made from",
        )


def _apart(tensor: StoredTensor) -> Iterator[StoredTensor]:
    """Yield the matrices of a tensor of three dimensions, each where its bytes are."""
    size_bytes = tensor.size_bytes // tensor.shape[0]
    for number in range(tensor.shape[0]):
        start = tensor.start + number * size_bytes
        yield replace(tensor, shape=tensor.shape[1:], start=start, size_bytes=size_bytes)


def _unpaired(values: Array, heads: int) -> Array:
    """Put the rows of each head back: first all that are rotated as first of a pair, then all second ones."""
    paired = values.reshape(heads, values.shape[0] // heads // 2, 2, *values.shape[1:])
    return paired.swapaxes(1, 2).reshape(values.shape)
