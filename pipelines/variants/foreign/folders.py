"""Folders of others: compressed-tensors, AWQ's gemm layout, GPTQ's, and squares of FP8."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from quantgate.pipelines.checkpoints.lfs_pointers import refuse_lfs_pointers
from quantgate.pipelines.checkpoints.links import refuse_leaving_links
from quantgate.pipelines.checkpoints.listing import refuse_listing, refuse_pipes
from quantgate.pipelines.checkpoints.numerics import parameter_count, stored_quantization
from quantgate.pipelines.domain.checkpoint import StoredQuantization
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.foreign import MadeBy
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.reading import read_text
from quantgate.pipelines.formats.packed.block_fp8 import SCALE
from quantgate.pipelines.formats.packed.compressed import stored_scheme
from quantgate.pipelines.formats.packed.facts import PACKED_TYPE
from quantgate.pipelines.formats.safetensors import (
    DTYPE_BITS,
    INDEX_FILE,
    StoredTensor,
    read_tensors,
    weight_files,
)
from quantgate.pipelines.formats.tokenizers.chat_templates import TEMPLATES_FOLDER
from quantgate.pipelines.formats.tokenizers.folder import TOKENIZER_FILES, read_json_object
from quantgate.pipelines.variants.foreign.looks import ForeignLook, claims_of

_CONFIG = "config.json"
_RECIPE = "recipe.yaml"
_PACKED_PARTS = ("weight_packed", "qweight")
_EIGHT_BIT = ("F8_E4M3", "F8_E5M2", "I8", "U8")
_FULL_BITS = 16.0
_MODIFIER = re.compile(r"^\s*(\w+Modifier):", re.MULTILINE)
_NEXT = "leave it out: what can be judged are compressed-tensors, AWQ (gemm), GPTQ and FP8 folders, and GGUF"


def refuse_folder(folder: Path, *, where: str) -> None:
    """Refuse a folder of which nothing may be read, or that nothing here loads: cheap things first.

    Raises:
        CheckpointError: links that leave it, pipes, git-lfs pointers; quantized in no way that is known, or
            not at all; pickles, no weights, no tokenizer.
    """
    refuse_leaving_links(folder, where=where)
    refuse_pipes(folder)
    refuse_lfs_pointers(folder, where=where)
    refuse_unloadable(folder, where=where)
    refuse_listing((path.name for path in folder.iterdir()), where=where)


def refuse_unloadable(folder: Path, *, where: str) -> None:
    """Refuse what config.json says to be quantized in no way that is known, or not at all.

    Raises:
        CheckpointError: naming the way.
    """
    if (folder / _CONFIG).is_file():
        _quantization(folder, where)


def look_into_folder(folder: Path) -> ForeignLook:
    """Return what stands in a folder that `refuse_folder` lets pass.

    Raises:
        CheckpointError: where a file is damaged or truncated.
    """
    config = read_json_object(folder / _CONFIG)
    stored = _quantization(folder, str(folder))
    tensors = read_tensors(folder)
    count = parameter_count(tensors, stored)
    return ForeignLook(
        format=stored.format,
        scheme=f"{stored.numerics.weights}{stored.numerics.activations}, {stored.layout}",
        numerics=stored.numerics,
        main_type=_main_type(folder, stored),
        quantization=json.dumps(config.get("quantization_config"), sort_keys=True),
        bits_per_weight=_bits_of_quantized(tensors, stored),
        file_bits_per_weight=8 * sum(tensor.size_bytes for tensor in tensors) / max(1, count),
        weights_bytes=sum(file.stat().st_size for file in weight_files(folder)),
        files={name: folder / name for name in _names(folder)},
        claims=tuple(_claims(config, folder)),
    )


def _main_type(folder: Path, stored: StoredQuantization) -> str:
    """Return what our readers call most of its quantized weights."""
    match stored.format:
        case Format.COMPRESSED_TENSORS:
            return stored_scheme(folder).weight_type
        case Format.FP8:
            return "F8_E4M3"
        case _:
            return PACKED_TYPE


def _quantization(folder: Path, where: str) -> StoredQuantization:
    config = read_json_object(folder / _CONFIG)
    if isinstance(config.get("quantization"), dict) and "quantization_config" not in config:
        raise CheckpointError(
            "is quantized in a way of its own (`quantization` in config.json, as MLX writes it)",
            where=where,
            next_step=_NEXT,
        )
    try:
        stored = stored_quantization(folder)
    except CheckpointError as error:
        raise CheckpointError(error.what, where=where, next_step=_NEXT) from error
    if stored is not None and stored.format is Format.MXFP4:
        raise CheckpointError(
            "holds experts in MXFP4 as gpt-oss is released, which is not held against a base here",
            where=where,
            next_step="judge it as a base: `quantgate quantize FOLDER --recipes none`",
        )
    if stored is None:
        raise CheckpointError(
            "is not quantized: config.json has no quantization_config",
            where=where,
            next_step="name the folder of a quant, or leave it out",
        )
    return stored


def _names(folder: Path) -> Iterator[str]:
    """Yield what a variant takes over: weights, configuration, tokenizer, templates; no code, no pickles."""
    yield from (file.name for file in weight_files(folder))
    for name in (INDEX_FILE, _CONFIG, *TOKENIZER_FILES):
        if (folder / name).is_file():
            yield name
    for template in sorted((folder / TEMPLATES_FOLDER).glob("*.jinja")):
        yield f"{TEMPLATES_FOLDER}/{template.name}"


def _bits_of_quantized(tensors: Sequence[StoredTensor], stored: StoredQuantization) -> float:
    """Return the mean cost of a quantized weight, its scales and zero points counted; 16 where none is."""
    modules: dict[str, dict[str, StoredTensor]] = defaultdict(dict)
    for tensor in tensors:
        module, _, part = tensor.name.rpartition(".")
        modules[module][part] = tensor
    weights = size_bytes = 0
    for parts in modules.values():
        if count := _low_bit_weights(parts, stored.weight_bits):
            weights += count
            size_bytes += sum(part.size_bytes for part in parts.values())
    return 8 * size_bytes / weights if weights else _FULL_BITS


def _low_bit_weights(parts: dict[str, StoredTensor], weight_bits: int) -> int:
    for name in _PACKED_PARTS:
        if name in parts:
            return parts[name].parameter_count * (DTYPE_BITS[parts[name].dtype] // weight_bits)
    plain = parts.get("weight")
    scaled = "weight_scale" in parts or SCALE in parts
    if plain is not None and plain.dtype in _EIGHT_BIT and scaled:
        return plain.parameter_count
    return 0


def _claims(config: JsonObject, folder: Path) -> Iterator[MadeBy]:
    said = config.get("quantization_config")
    keys = ("quant_method", "format", "version", "quantization_status")
    if isinstance(said, dict):
        yield from claims_of({f"quantization_config.{key}": said.get(key) for key in keys})
    if (folder / _RECIPE).is_file():
        modifiers = _modifiers(folder / _RECIPE)
        yield from claims_of({_RECIPE: ", ".join(modifiers) or "names no modifier"})


def _modifiers(file: Path) -> Iterable[str]:
    """Return what an llm-compressor recipe names, without loading what others wrote as YAML."""
    return dict.fromkeys(_MODIFIER.findall(read_text(file)))
