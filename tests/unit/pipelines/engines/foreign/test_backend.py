"""Files of others are taken over byte for byte, held against the base's shapes, and read back."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.engines.backend import BuildRequest
from quantgate.pipelines.engines.foreign.backend import ForeignBackend
from quantgate.pipelines.files.sealed import seal
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.support.llamacpp.gguf_writing import write_gguf, write_parts
from tests.support.models.checkpoints import edit_json, weights, write_checkpoint, write_safetensors
from tests.support.models.foreign import SAID, planned, shapes, write_quant, write_quantized_folder


@pytest.fixture
def base(tmp_path: Path, store: Store) -> Checkpoint:
    folder = write_checkpoint(tmp_path / "demo")
    return resolve_checkpoint(str(folder), name=None, store=store, hub=HubSettings())


def requested(recipe: Recipe, base: Checkpoint, output: Path) -> BuildRequest:
    output.mkdir()
    return BuildRequest(
        checkpoint=base,
        recipe=recipe,
        calibration=None,
        output=output,
        scratch=output,
        log=output / "log",
        toolchain=ForeignBackend().toolchain(1),
    )


def test_a_file_is_taken_over_and_read_back(tmp_path: Path, base: Checkpoint, store: Store) -> None:
    file = write_quant(tmp_path / "demo-Q8_0.gguf")
    (recipe,) = planned(file, store=store)
    built = ForeignBackend().build(
        requested(recipe, base, tmp_path / "out"), run_worker, ignore_progress
    )
    assert built.artifact == tmp_path / "out" / "model.gguf"
    assert built.artifact.read_bytes() == file.read_bytes()
    assert not built.artifact.samefile(file)
    assert built.facts.bits_per_weight == 8.5
    assert built.facts.missed == ()
    assert len(built.facts.promised) == 15
    assert built.facts.calibration_tokens == 0


def test_parts_are_taken_over_under_names_that_llama_cpp_finds(
    tmp_path: Path, base: Checkpoint, store: Store
) -> None:
    parts = write_parts(tmp_path, "demo-Q8_0", SAID, shapes(), 2)
    (recipe,) = planned(parts[0], store=store)
    built = ForeignBackend().build(
        requested(recipe, base, tmp_path / "out"), run_worker, ignore_progress
    )
    assert built.artifact.name == "model-00001-of-00002.gguf"
    assert len(built.facts.tensors) == len(shapes())


def test_a_folder_is_taken_over_without_what_stands_beside(
    tmp_path: Path, base: Checkpoint, store: Store
) -> None:
    folder = write_quantized_folder(base.folder, tmp_path / "demo-FP8")
    (folder / "run.py").write_text("evil()")
    (recipe,) = planned(folder, store=store)
    built = ForeignBackend().build(
        requested(recipe, base, tmp_path / "out"), run_worker, ignore_progress
    )
    assert built.artifact == tmp_path / "out"
    assert not (built.artifact / "run.py").exists()
    assert {t.type for t in built.facts.tensors if t.quantized} == {"F8_E4M3"}
    assert {t.type for t in built.facts.tensors} == {"F8_E4M3", "F16"}


def test_values_that_are_not_finite_are_named(
    tmp_path: Path, base: Checkpoint, store: Store
) -> None:
    folder = write_quantized_folder(base.folder, tmp_path / "demo-FP8")
    stored = {**weights(), "model.norm.weight": np.full(128, np.nan, dtype=np.float16)}
    write_safetensors(folder / "model.safetensors", stored)
    (recipe,) = planned(folder, store=store)
    request = requested(recipe, base, tmp_path / "out")
    built = ForeignBackend().build(request, run_worker, ignore_progress)
    assert built.facts.nonfinite_tensors == ("model.norm.weight",)


def test_a_file_that_changed_or_went_since_it_was_planned_is_refused(
    tmp_path: Path, base: Checkpoint, store: Store
) -> None:
    file = write_quant(tmp_path / "demo-Q8_0.gguf")
    (recipe,) = planned(file, store=store)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    request = requested(recipe, base, tmp_path / "out")
    with pytest.raises(CheckpointError, match="has other bytes than when this was planned"):
        ForeignBackend().build(request, run_worker, ignore_progress)
    file.unlink()
    with pytest.raises(CheckpointError, match="is not there any more"):
        ForeignBackend().build(
            replace(request, output=tmp_path / "again"), run_worker, ignore_progress
        )


def test_what_lies_sealed_is_not_copied_and_what_others_may_edit_is(
    tmp_path: Path, base: Checkpoint, store: Store
) -> None:
    download, variant = tmp_path / "download", tmp_path / "variant" / "files"
    for folder, sealed in ((download, download), (variant, variant.parent)):
        folder.mkdir(parents=True)
        file = write_quant(folder / "demo-Q8_0.gguf")
        seal(sealed, SAID)
        (recipe,) = planned(file, store=store)
        request = requested(recipe, base, tmp_path / f"out-{folder.name}")
        built = ForeignBackend().build(request, run_worker, ignore_progress)
        assert built.artifact.stat().st_nlink == 2
        assert built.artifact.samefile(file)


def test_a_quant_of_this_base_fits(tmp_path: Path, base: Checkpoint, store: Store) -> None:
    file = write_quant(tmp_path / "demo-Q8_0.gguf")
    folder = write_quantized_folder(base.folder, tmp_path / "demo-FP8")
    for recipe in planned(file, folder, store=store):
        assert ForeignBackend().misfits(base, recipe) == ()


def test_files_of_other_models_do_not_fit(tmp_path: Path, base: Checkpoint, store: Store) -> None:
    wide = {**shapes(), "token_embd.weight": ("Q8_0", (257, 256))}
    (recipe,) = planned(write_gguf(tmp_path / "wide.gguf", SAID, wide), store=store)
    (reason,) = ForeignBackend().misfits(base, recipe)
    assert reason.startswith("its token embeddings are 257 x 256")
    layers = {name: kind for name, kind in shapes().items() if "blk" not in name}
    (recipe,) = planned(write_gguf(tmp_path / "shallow.gguf", SAID, layers), store=store)
    (reason,) = ForeignBackend().misfits(base, recipe)
    assert "million weights, and this base" in reason


def test_folders_of_other_models_do_not_fit(tmp_path: Path, base: Checkpoint, store: Store) -> None:
    folder = write_quantized_folder(base.folder, tmp_path / "demo-FP8")
    (recipe,) = planned(folder, store=store)
    edit_json(folder / "config.json", architectures=["Qwen2ForCausalLM"])
    assert ForeignBackend().misfits(base, recipe) == (
        "its architecture is Qwen2ForCausalLM, and this base's LlamaForCausalLM",
    )
    edit_json(folder / "config.json", architectures=["LlamaForCausalLM"])
    other = {**weights(), "model.embed_tokens.weight": np.ones((257, 64), dtype=np.float16)}
    write_safetensors(folder / "model.safetensors", other)
    (reason,) = ForeignBackend().misfits(base, recipe)
    assert reason == "model.embed_tokens.weight is 257 x 64, and this base's 257 x 128"
    shutil.copy(base.folder / "model.safetensors", folder)
    write_safetensors(
        folder / "model.safetensors", {f"h.{name}": values for name, values in weights().items()}
    )
    (reason,) = ForeignBackend().misfits(base, recipe)
    assert "of this base are not in it" in reason
