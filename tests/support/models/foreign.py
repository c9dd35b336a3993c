"""Quants that others made, of the tiny random checkpoint: GGUF files, and folders, without real weights."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.engines.llamacpp.types.tensor_names import gguf_name
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.specs.foreign import ForeignPlace
from quantgate.pipelines.variants.foreign.on_hub import FetchFiles, whole_files
from quantgate.pipelines.variants.foreign.recipes import foreign_recipes
from tests.support.llamacpp.gguf_writing import Shapes, Value, write_gguf
from tests.support.models.checkpoints import weights, write_safetensors

SAID: dict[str, Value] = {
    "general.architecture": "llama",
    "general.name": "Demo",
    "general.file_type": 7,
    "llama.block_count": 2,
}
"""Metadata of a Q8_0 file."""


def shapes(kind: str = "Q8_0", **others: str) -> Shapes:
    """Return the base's tensors as a GGUF names them: matrices of one type, but for those named otherwise."""
    types: dict[str, tuple[str, tuple[int, ...]]] = {}
    for name, values in weights().items():
        called = gguf_name(name) or name.replace("model.norm", "output_norm")
        wanted_type = next((each for part, each in others.items() if part in called), kind)
        types[called] = (wanted_type if values.ndim > 1 else "F32", values.shape)
    return types


def write_quant(
    file: Path, metadata: Mapping[str, Value] | None = None, kind: str = "Q8_0"
) -> Path:
    """Write a GGUF of the tiny checkpoint, of which nothing is like its weights."""
    return write_gguf(file, {**SAID, **(metadata or {})}, shapes(kind))


def write_quantized_folder(base: Path, folder: Path) -> Path:
    """Write a folder of the tiny checkpoint in compressed-tensors' FP8, a scale a row."""
    shutil.copytree(base, folder)
    stored = {}
    for name, values in weights().items():
        if "proj" not in name:
            stored[name] = values
            continue
        stored[name] = np.full(values.shape, 0x38, dtype=np.uint8)  # 1.0 in E4M3
        stored[f"{name}_scale"] = np.ones((values.shape[0], 1), dtype=np.float16)
    write_safetensors(folder / "model.safetensors", stored)
    grid = {"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": True}
    quantize(
        folder,
        quant_method="compressed-tensors",
        format="float-quantized",
        config_groups={"group_0": {"weights": grid, "input_activations": None}},
    )
    return folder


def quantize(folder: Path, **said: object) -> None:
    """Say in a folder's config.json how it is quantized."""
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "quantization_config": said}))


def planned(
    *places: str | Path,
    store: Store,
    hub: HubSettings | None = None,
    say: Callable[[str], None] | None = None,
    base_name: str = "demo",
    fetch: FetchFiles = whole_files,
) -> tuple[Recipe, ...]:
    """Return the recipes of what stands at these places."""
    return foreign_recipes(
        [ForeignPlace(text=str(place)) for place in places],
        base_name,
        store=store,
        hub=hub or HubSettings(),
        say=say or (lambda _: None),
        fetch=fetch,
    )
