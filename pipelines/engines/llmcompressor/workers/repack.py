"""Child process: writes llm-compressor's 4-bit weights in AWQ's gemm or GPTQ's layout.

Nothing is rounded: integers and zero points keep their values, a scale that float16 cannot hold stops the
work, and every other tensor keeps its bytes. One file's layers at a time are in memory.
"""

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.llmcompressor.layouts import RepackFacts, RepackRequest
from quantgate.pipelines.formats.arrays import (
    Array,
    read_array,
    write_tensors,
)
from quantgate.pipelines.formats.nonfinite import nonfinite_tensors
from quantgate.pipelines.formats.packed.cache_scales import CACHE_SCALES
from quantgate.pipelines.formats.packed.config import awq_config, gptq_config
from quantgate.pipelines.formats.packed.facts import stored_tensors
from quantgate.pipelines.formats.packed.weights import (
    Int4Weight,
    StoredModule,
    from_compressed_tensors,
    to_awq,
    to_gptq,
)
from quantgate.pipelines.formats.safetensors import (
    INDEX_FILE,
    StoredTensor,
    read_header,
    read_tensors,
    weight_files,
)
from quantgate.pipelines.formats.tokenizers.folder import read_json_object
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve

_COMPRESSED_PARTS = ("weight_packed", "weight_scale", "weight_zero_point", "weight_shape")
_WRITTEN_HERE = ("config.json", INDEX_FILE)
_DTYPE_KEYS = ("dtype", "torch_dtype")
_STRAY_PARTS = ("weight_", "input_", "output_", *CACHE_SCALES)
"""How other tensors of a quantized layer are called: activation scales, group indices and the like."""
_TO_LAYOUT: dict[Format, Callable[[Int4Weight], dict[str, Array]]] = {
    Format.AWQ: to_awq,
    Format.GPTQ: to_gptq,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compressed:
    """What config.json of a compressed-tensors folder says of its weights."""

    group_size: int
    left_out: tuple[str, ...]


def repack(request: RepackRequest, on_progress: OnProgress) -> RepackFacts:
    """Write weights, config.json and every other file of the folder, and report what the files hold.

    Raises:
        CheckpointError: where the folder holds what the layout cannot, naming the tensor.
    """
    config = read_json_object(request.compressed / "config.json")
    source = _compressed(config, str(request.compressed))
    modules = _modules(read_tensors(request.compressed))
    files = weight_files(request.compressed)
    for done, file in enumerate(files):
        on_progress(Progress(done=done, total=len(files), what="packing weights"))
        _write_file(request, source, modules, file)
    _write_index(request.build.output, files)
    _write_config(request, config, source)
    for file in request.compressed.iterdir():
        if file not in files and file.name not in _WRITTEN_HERE:
            shutil.copyfile(file, request.build.output / file.name)
    written = read_tensors(request.build.output)
    return RepackFacts(
        tensors=stored_tensors(read_tensors(request.build.checkpoint.folder), written),
        nonfinite_tensors=nonfinite_tensors(written),
    )


def _compressed(config: JsonObject, where: str) -> _Compressed:
    """Only what is asked of llm-compressor for these layouts is known here."""
    match config.get("quantization_config"):
        case {
            "quant_method": "compressed-tensors",
            "format": "pack-quantized",
            "kv_cache_scheme": None,
            "ignore": list(ignored),
            "config_groups": {**groups},
        } if len(groups) == 1:
            match next(iter(groups.values())):
                case {
                    "input_activations": None,
                    "weights": {
                        "type": "int",
                        "num_bits": 4,
                        "strategy": "group",
                        "group_size": int(size),
                        "actorder": None | "static" | "weight",
                    },
                }:
                    return _Compressed(group_size=size, left_out=tuple(map(str, ignored)))
    raise CheckpointError(
        "is no folder of 4-bit integer weights in one kind of groups: it cannot be packed anew",
        where=where,
        next_step="build the recipe with format: compressed-tensors",
    )


def _modules(tensors: tuple[StoredTensor, ...]) -> dict[str, dict[str, StoredTensor]]:
    """Return the parts of each tensor's module by their last names."""
    modules: dict[str, dict[str, StoredTensor]] = defaultdict(dict)
    for tensor in tensors:
        module, _, part = tensor.name.rpartition(".")
        modules[module][part] = tensor
    return modules


def _packed(
    request: RepackRequest, source: _Compressed, name: str, parts: Mapping[str, StoredTensor]
) -> dict[str, Array]:
    """Return a layer's tensors in the layout, by full name.

    Raises:
        CheckpointError: naming the layer, where its tensors do not fit each other or the layout.
    """
    arrays = {part: read_array(parts[part]) for part in _COMPRESSED_PARTS if part in parts}
    module = StoredModule(name=name, where=str(request.compressed), arrays=arrays)
    weight = from_compressed_tensors(module, source.group_size)
    try:
        packed = _TO_LAYOUT[request.build.recipe.format](weight)
    except ValueError as error:
        raise CheckpointError(
            f"{name} {error}: it cannot stand in the {request.build.recipe.format} layout unchanged",
            where=str(request.compressed),
            next_step="build the recipe with format: compressed-tensors",
        ) from error
    return {f"{name}.{part}": array for part, array in packed.items()}


def _write_file(
    request: RepackRequest,
    source: _Compressed,
    modules: Mapping[str, Mapping[str, StoredTensor]],
    file: Path,
) -> None:
    """Write the file of the same name: packed layers where their integers stood, the rest unchanged."""
    arrays: dict[str, Array] = {}
    copied: list[StoredTensor] = []
    for name, parts in modules.items():
        if "weight_packed" in parts and parts["weight_packed"].file == file:
            arrays |= _packed(request, source, name, parts)
        gone = _COMPRESSED_PARTS if "weight_packed" in parts else ()
        for part, tensor in parts.items():
            if part not in gone and tensor.file == file:
                copied.append(tensor)
    strays = [t.name for t in copied if t.name.rpartition(".")[2].startswith(_STRAY_PARTS)]
    if strays:
        raise CheckpointError(
            f"{strays[0]} has no place in the {request.build.recipe.format} layout",
            where=str(file),
            next_step="take a recipe of the compressed-tensors format, which holds it",
        )
    write_tensors(request.build.output / file.name, arrays, copied)


def _write_index(folder: Path, files: tuple[Path, ...]) -> None:
    """Write the index of several files; a single one needs none."""
    if len(files) < 2:
        return
    tensors = [tensor for file in files for tensor in read_header(folder / file.name)]
    index = {
        "metadata": {"total_size": sum(tensor.size_bytes for tensor in tensors)},
        "weight_map": {t.name: t.file.name for t in sorted(tensors, key=lambda t: t.name)},
    }
    (folder / INDEX_FILE).write_text(json.dumps(index, indent=2) + "\n")


def _write_config(request: RepackRequest, compressed: JsonObject, source: _Compressed) -> None:
    """Write the base's own config.json, which its engines know how to read, with what changed.

    transformers 5 would write rope settings under names that older readers pass over without a word.
    """
    config = read_json_object(request.build.checkpoint.folder / "config.json")
    dtypes = [key for key in _DTYPE_KEYS if key in config] or [_DTYPE_KEYS[0]]
    config |= dict.fromkeys(dtypes, compressed["dtype"])
    if "tie_word_embeddings" in compressed:
        config["tie_word_embeddings"] = compressed["tie_word_embeddings"]
    config["quantization_config"] = (
        awq_config(source.group_size, source.left_out)
        if request.build.recipe.format is Format.AWQ
        else gptq_config(source.group_size)
    )
    (request.build.output / "config.json").write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    serve(repack, RepackRequest)
