"""The tensors of low-bit folders as bfloat16, each read and expanded when it is written.

Only worker modules import this. Formulas: a value of FP8 times the scale of its square
(`FineGrainedFP8Config` of transformers 5.17); MXFP4 as in `pipelines.formats.packed.mxfp4`; integers of AWQ
and GPTQ less their zero points, times their scales; compressed-tensors' own `decompress`. Products in float32
are rounded to bfloat16 once.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import QuantizationConfig, QuantizationScheme
from compressed_tensors.utils import match_name

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.engines.loading_report import COPY_AGAIN
from quantgate.pipelines.engines.transformers.workers.packed_checkpoint import dense_weight
from quantgate.pipelines.engines.transformers.workers.stored import read_tensor
from quantgate.pipelines.files.json_files import read_json_object
from quantgate.pipelines.formats.arrays import PendingTensor, read_array, read_bytes
from quantgate.pipelines.formats.packed import mxfp4, mxfp4_layout
from quantgate.pipelines.formats.packed.block_fp8 import SCALE, stored_square
from quantgate.pipelines.formats.packed.cache_scales import CACHE_SCALES
from quantgate.pipelines.formats.packed.config import PARTS, stored_layout
from quantgate.pipelines.formats.safetensors import StoredTensor, read_tensors

_WEIGHT = "weight"
_SCALE = "_scale_inv"
_FP8 = ("F8_E4M3", "F8_E5M2")
_PACKED, _EIGHT_BIT_SCALE = "weight_packed", "weight_scale"
_COMPRESSED_PARTS = (
    "weight_packed", "weight_scale", "weight_zero_point", "weight_global_scale", "weight_shape",
    "weight_g_idx",
)  # fmt: skip
_BESIDE = ("input_scale", "input_zero_point", "input_global_scale", *CACHE_SCALES)
"""What activations and caches were scaled by: in full precision they are not."""

Parts = Mapping[str, StoredTensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpandedTensor:
    """A tensor in full precision, read and expanded when `values` is called; bfloat16 if it was low-bit."""

    name: str
    shape: tuple[int, ...]
    values: Callable[[], torch.Tensor]
    stored: StoredTensor | None = None

    @property
    def was_low_bit(self) -> bool:
        """Whether it was expanded, and not only read."""
        return self.stored is None

    @property
    def pending(self) -> PendingTensor:
        """The same as a tensor to be written."""
        content = self._words if self.stored is None else partial(read_bytes, self.stored)
        dtype = "BF16" if self.stored is None else self.stored.dtype
        return PendingTensor(name=self.name, dtype=dtype, shape=self.shape, content=content)

    def _words(self) -> bytes:
        words = self.values().contiguous().view(torch.uint16).numpy()
        return np.asarray(words).tobytes()


def expanded_state(folder: Path, stored: Format) -> dict[str, torch.Tensor]:
    """Return the tensors of a folder by name; see `expanded_tensors`."""
    return {tensor.name: tensor.values() for tensor in expanded_tensors(folder, stored)}


def expanded_tensors(folder: Path, stored: Format) -> list[ExpandedTensor]:
    """Return all tensors of a folder in some format, as its model has them in full precision.

    Raises:
        CheckpointError: where a low-bit tensor lacks a part, or its layout is not known.
    """
    tensors = read_tensors(folder)
    match stored:
        case Format.FP8:
            return list(_squares(folder, tensors))
        case Format.MXFP4:
            return list(_blocks(tensors))
        case Format.COMPRESSED_TENSORS:
            return list(_compressed(folder, tensors))
        case _:
            return list(_packed(folder, tensors))


def _squares(folder: Path, tensors: tuple[StoredTensor, ...]) -> Iterator[ExpandedTensor]:
    """Yield FP8 weights times the scales of their squares; the last ones of a side may be smaller."""
    by_name, size = {tensor.name: tensor for tensor in tensors}, stored_square(folder)
    assert size is not None
    for tensor in tensors:
        if tensor.name.endswith(_SCALE):
            continue
        if tensor.dtype not in _FP8:
            yield _whole(tensor)
            continue
        module, _, part = tensor.name.rpartition(".")
        scale = by_name.get(f"{module}.{SCALE}" if part == _WEIGHT else f"{tensor.name}{_SCALE}")
        sides = tuple(-(-side // size) for side in tensor.shape[-2:])
        if scale is None or scale.shape != (*tensor.shape[:-2], *sides):
            raise _refusal(tensor, "lacks the scales of its squares")
        yield _low_bit(tensor.name, tensor.shape, partial(_scaled, tensor, scale, size))


def _scaled(tensor: StoredTensor, scale: StoredTensor, size: int) -> torch.Tensor:
    values, rows, columns = read_tensor(tensor).float(), *tensor.shape[-2:]
    factors = read_tensor(scale).float().repeat_interleave(size, -2).repeat_interleave(size, -1)
    return values * factors[..., :rows, :columns]


def _blocks(tensors: tuple[StoredTensor, ...]) -> Iterator[ExpandedTensor]:
    """Yield fused experts of gpt-oss, experts x inputs x outputs."""
    by_name = {tensor.name: tensor for tensor in tensors}
    for tensor in tensors:
        if tensor.name.endswith(mxfp4_layout.BLOCKS):
            name = tensor.name.removesuffix(mxfp4_layout.BLOCKS)
            scales = by_name.get(f"{name}{mxfp4_layout.SCALES}")
            halved = (*scales.shape, mxfp4_layout.BLOCK // 2) if scales is not None else ()
            if scales is None or tensor.shape != halved or {tensor.dtype, scales.dtype} != {"U8"}:
                raise _refusal(tensor, "and its scales are not those of MXFP4 experts")
            experts, outputs, blocks = scales.shape
            shape = (experts, mxfp4_layout.BLOCK * blocks, outputs)
            yield _low_bit(name, shape, partial(_experts, tensor, scales))
        elif not tensor.name.endswith(mxfp4_layout.SCALES):
            yield _whole(tensor)


def _experts(blocks: StoredTensor, scales: StoredTensor) -> torch.Tensor:
    stored = zip(read_array(blocks), read_array(scales), strict=True)
    each = [_rounded(torch.from_numpy(mxfp4.expanded_expert(*expert))) for expert in stored]
    return torch.stack(each)


def _compressed(folder: Path, tensors: tuple[StoredTensor, ...]) -> Iterator[ExpandedTensor]:
    """Yield the weights of compressed-tensors by its own code, and nothing of activations and caches."""
    config = read_json_object(folder / "config.json")
    said = config.get("quantization_config") or config.get("compression_config")
    declared = QuantizationConfig.model_validate(said)
    for module, parts in _modules(tensors).items():
        low_bit = _PACKED in parts or _EIGHT_BIT_SCALE in parts
        for part, tensor in parts.items():
            if part not in _BESIDE and not (low_bit and part in (*_COMPRESSED_PARTS, _WEIGHT)):
                yield _whole(tensor)
        if low_bit:
            scheme = _scheme(module, declared, folder)
            kept = {part: parts[part] for part in (*_COMPRESSED_PARTS, _WEIGHT) if part in parts}
            decompress = _decompressor(scheme, declared, folder)
            shape = _compressed_shape(module, kept, folder)
            yield _low_bit(f"{module}.{_WEIGHT}", shape, partial(decompress, kept))


def _scheme(module: str, declared: QuantizationConfig, folder: Path) -> QuantizationScheme:
    """Return the scheme whose targets name a module, else the one that means a class of layers."""
    schemes = list(declared.config_groups.values())
    named = (s for s in schemes if any(match_name(module, target) for target in s.targets))
    by_class = (s for s in schemes if any(map(_is_class_name, s.targets)))
    scheme = next(named, None) or next(by_class, None)
    if scheme is None:
        raise CheckpointError(
            f"no group of config.json means {module}",
            where=str(folder),
            next_step=COPY_AGAIN,
        )
    return scheme


def _is_class_name(target: str) -> bool:
    """Whether a target is a class as Python writes them (`Linear`), and no module (`lm_head`) or pattern."""
    return target.isidentifier() and target[0].isupper()


def _decompressor(
    scheme: QuantizationScheme, declared: QuantizationConfig, folder: Path
) -> Callable[[Parts], torch.Tensor]:
    layout = scheme.format or declared.format
    if layout not in BaseCompressor.registered_names():
        raise CheckpointError(
            f"compressed-tensors has no layout {layout}",
            where=str(folder),
            next_step="take the full-precision checkpoint that it was made from",
        )
    compressor = BaseCompressor.get_value_from_registry(layout)

    def decompress(parts: Parts) -> torch.Tensor:
        state = {part: read_tensor(tensor) for part, tensor in parts.items()}
        dense: torch.Tensor = compressor.decompress(state, scheme)[_WEIGHT]
        return dense

    return decompress


def _compressed_shape(module: str, parts: Parts, folder: Path) -> tuple[int, ...]:
    if _WEIGHT in parts:
        return parts[_WEIGHT].shape
    if "weight_shape" in parts:
        return tuple(int(side) for side in read_array(parts["weight_shape"]))
    rows, *columns = parts[_PACKED].shape
    if parts[_PACKED].dtype != "U8" or len(columns) != 1:
        raise CheckpointError(
            f"{module} does not say its shape",
            where=str(folder),
            next_step=COPY_AGAIN,
        )
    return rows, 2 * columns[0]  # two values of four bits a byte


def _packed(folder: Path, tensors: tuple[StoredTensor, ...]) -> Iterator[ExpandedTensor]:
    """Yield AWQ's and GPTQ's weights, outputs x inputs."""
    layout = stored_layout(folder)
    assert layout is not None
    for module, parts in _modules(tensors).items():
        packed = "qweight" in parts
        for part, tensor in parts.items():
            if not (packed and part in PARTS[layout.format]):
                yield _whole(tensor)
        if packed:
            rows, columns = parts["qweight"].shape
            words = (columns * 8, rows) if layout.format is Format.AWQ else (columns, rows * 8)
            weight = partial(dense_weight, folder, layout, module, parts)
            yield _low_bit(f"{module}.{_WEIGHT}", words, weight)


def _modules(tensors: tuple[StoredTensor, ...]) -> dict[str, dict[str, StoredTensor]]:
    modules: dict[str, dict[str, StoredTensor]] = defaultdict(dict)
    for tensor in tensors:
        module, _, part = tensor.name.rpartition(".")
        modules[module][part] = tensor
    return modules


def _whole(tensor: StoredTensor) -> ExpandedTensor:
    return ExpandedTensor(
        name=tensor.name, shape=tensor.shape, values=partial(read_tensor, tensor), stored=tensor
    )


def _low_bit(
    name: str, shape: tuple[int, ...], expand: Callable[[], torch.Tensor]
) -> ExpandedTensor:
    return ExpandedTensor(name=name, shape=shape, values=lambda: _rounded(expand()))


def _rounded(values: torch.Tensor) -> torch.Tensor:
    return values.to(torch.bfloat16)


def _refusal(tensor: StoredTensor, what: str) -> CheckpointError:
    return CheckpointError(
        f"{tensor.name} {what}",
        where=str(tensor.file),
        next_step="download or copy the checkpoint again and compare its checksums",
    )
