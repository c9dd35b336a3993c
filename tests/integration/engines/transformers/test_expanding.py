"""Low-bit checkpoints as they are released: expanded to what transformers itself computes with, and built."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM

from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.checkpoints.tools import CheckpointTools
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.engines.transformers.expanding import FolderExpander
from quantgate.pipelines.engines.transformers.workers.model import load
from quantgate.pipelines.files.json_files import read_json_object
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.recipes import find_recipes
from tests.support.architectures.building import Trial, Workplace
from tests.support.architectures.low_bit import as_fp8_release, as_mxfp4_release
from tests.support.architectures.made import random_checkpoint_of
from tests.support.architectures.names import Architecture, known_to_all
from tests.support.models.checkpoints import edit_json

pytestmark = pytest.mark.integration

RAGGED = "kv_a_proj_with_mqa"
"""Squares do not divide its outputs, and transformers 5.17 refuses to expand it."""
REASON = "nothing wider is published"
RELEASES: dict[str, tuple[str, Callable[[Path, Path, tuple[str, ...]], Path]]] = {
    "MXFP4 in blocks of 32": ("GptOssForCausalLM", as_mxfp4_release),
    "FP8 in squares of 128": ("DeepseekV3ForCausalLM", as_fp8_release),
}


def architecture(name: str) -> Architecture:
    listed = known_to_all(wire(Settings.from_environment()).architectures)
    return next(each for each in listed if each.name == name)


def released(stored_as: str, folder: Path, whole: tuple[str, ...] = ()) -> Path:
    name, layout = RELEASES[stored_as]
    base = random_checkpoint_of(architecture(name), folder / "dense", run_worker)
    return layout(base, folder / f"{name}-released", whole)


def resolved(folder: Path, store: Store, reason: str | None = REASON) -> Checkpoint:
    settings = replace(Settings.from_environment(), store=store)
    tools = CheckpointTools(
        architectures=wire(settings).architectures,
        expand_folder=FolderExpander(run_worker).expand,
        expansion=reason,
    )
    return resolve_checkpoint(str(folder), name=None, store=store, hub=settings.hub, tools=tools)


def transformers_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return what transformers loads, expanded by itself."""
    config = AutoConfig.from_pretrained(folder)
    if hasattr(config, "quantization_config"):
        config.quantization_config["dequantize"] = True
    model = AutoModelForCausalLM.from_pretrained(folder, config=config, dtype=torch.bfloat16)
    return dict(model.state_dict())


@pytest.mark.parametrize("stored_as", RELEASES)
def test_a_release_is_expanded_to_what_transformers_computes_with(
    stored_as: str, tmp_path: Path, store: Store
) -> None:
    folder = released(stored_as, tmp_path, whole=(RAGGED,))
    checkpoint = resolved(folder, store)
    assert checkpoint.losses == (f"expanded from {stored_as} ({REASON})",)
    assert checkpoint.quantization is None
    assert (checkpoint.source, checkpoint.dtype) == (str(folder), "BF16")
    assert "quantization_config" not in read_json_object(checkpoint.folder / "config.json")
    assert resolved(folder, store).digests == checkpoint.digests
    meant, made = transformers_weights(folder), transformers_weights(checkpoint.folder)
    assert meant.keys() == made.keys()
    assert all(torch.equal(made[name], weight) for name, weight in meant.items())


def test_squares_at_the_end_of_a_side_are_smaller(tmp_path: Path, store: Store) -> None:
    folder = released("FP8 in squares of 128", tmp_path)
    stored = load_file(folder / "model.safetensors")
    name = next(name for name in stored if name.endswith(f"{RAGGED}.weight"))
    weight, scales = stored[name].float(), stored[f"{name}_scale_inv"]
    assert (weight.shape, scales.shape) == ((320, 256), (3, 2))
    made = load_file(resolved(folder, store).folder / "model.safetensors")[name]
    meant = weight[319, 255] * scales[2, 1]
    assert made[319, 255] == meant.to(torch.bfloat16)
    assert made[0, 0] == (weight[0, 0] * scales[0, 0]).to(torch.bfloat16)


@pytest.mark.parametrize("stored_as", RELEASES)
def test_without_a_reason_a_release_stays_its_own_reference(
    stored_as: str, tmp_path: Path, store: Store
) -> None:
    checkpoint = resolved(released(stored_as, tmp_path), store, reason=None)
    assert checkpoint.quantization is not None
    assert checkpoint.quantization.short == stored_as
    assert checkpoint.losses == ()


@pytest.mark.parametrize("stored_as", RELEASES)
def test_an_expanded_release_is_built_like_any_other(
    stored_as: str, tmp_path: Path, store: Store
) -> None:
    workplace = Workplace.at(tmp_path / "work", run_worker)
    trial = Trial(workplace=workplace, checkpoint=resolved(released(stored_as, tmp_path), store))
    answer = trial.base_answer()
    assert answer.answer == "equal", answer
    for recipe in find_recipes(("Q8_0", "FP8_DYNAMIC"), Path()):
        attempt = trial.attempt(recipe)
        assert attempt.built, attempt


def test_weights_that_are_not_what_their_layout_says_are_refused_by_name(
    tmp_path: Path, store: Store
) -> None:
    folder = released("FP8 in squares of 128", tmp_path)
    edit_json(
        folder / "config.json",
        quantization_config={"quant_method": "fp8", "weight_block_size": [64, 64]},
    )
    with pytest.raises(CheckpointError, match=r"weight lacks the scales of its squares"):
        resolved(folder, store)
    assert load_file(folder / "model.safetensors")


@pytest.mark.parametrize("recipe", ["W4A16--gptq", "W4A16_ASYM--awq", "NVFP4A16", "AWQ", "GPTQ"])
def test_what_was_built_here_is_expanded_to_what_its_runtime_computes_with(
    recipe: str, tmp_path: Path, store: Store
) -> None:
    base = random_checkpoint_of(architecture("LlamaForCausalLM"), tmp_path / "dense", run_worker)
    workplace = Workplace.at(tmp_path / "work", run_worker)
    trial = Trial(workplace=workplace, checkpoint=resolved(base, store))
    (found,) = find_recipes((recipe,), Path())
    assert trial.attempt(found).built
    built = workplace.folder / "LlamaForCausalLM" / f"built-{recipe}"
    expanded = resolved(built, store)
    ids = torch.arange(3, 40).unsqueeze(0)
    with torch.inference_mode():
        meant, made = (load(each).model(ids).logits for each in (built, expanded.folder))
    assert torch.equal(meant, made)
    assert expanded.losses[0].startswith("expanded from ")
