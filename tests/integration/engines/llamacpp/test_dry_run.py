"""What cannot be converted, or read by llama.cpp, is refused before a number of it is converted."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.support.llamacpp.checkpoints import backend, described
from tests.support.project import EXAMPLE

pytestmark = pytest.mark.integration


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the example's checkpoint, to be changed."""
    copy = tmp_path / "model"
    shutil.copytree(EXAMPLE / "checkpoint", copy)
    return copy


def rehearse(folder: Path) -> Path:
    """Rehearse the conversion; return the checkpoint's folder of the store."""
    checkpoint = described(folder, {"model.layers.0.mlp.up_proj.weight": (768, 256)}, context=512)
    store = Store(root=folder.parent / "store")
    backend().converter.rehearse(checkpoint, store, run_worker, ignore_progress)
    return store.checkpoint(checkpoint.digests.combined)


def refusal(folder: Path) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        rehearse(folder)
    return caught.value


def test_what_can_be_converted_leaves_a_record_and_no_file(folder: Path) -> None:
    (kept,) = (path for path in rehearse(folder).iterdir() if path.is_dir())
    assert kept.name.startswith("dry-run-")
    assert [file.name for file in kept.iterdir()] == ["manifest.json"]


def test_a_byte_level_tokenizer_that_says_byte_fallback_is_refused_in_llamacpps_own_words(
    folder: Path,
) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["byte_fallback"] = True
    steps = [{"type": "ByteFallback"}, {"type": "Fuse"}, tokenizer["decoder"]]
    tokenizer["decoder"] = {"type": "Sequence", "decoders": steps}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    error = refusal(folder)
    assert "llama.cpp cannot have this tokenizer" in error.what
    assert "SPM vocabulary, but newline token not found" in error.what
    assert error.next_step and '"byte_fallback" to false' in error.next_step


def test_a_tensor_that_the_converter_has_no_name_for_is_named(folder: Path) -> None:
    (file,) = folder.glob("*.safetensors")
    added = {"model.layers.0.mlp.odd_proj.weight": torch.zeros(4, 4)}
    save_file(load_file(file) | added, file, metadata={"format": "pt"})
    assert "Can not map tensor 'model.layers.0.mlp.odd_proj.weight'" in refusal(folder).what


def test_a_shape_that_llamacpp_does_not_expect_is_told_in_its_words(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 512}))
    error = refusal(folder)
    assert error.what.startswith("llama.cpp cannot compute what its converter makes of this")
    assert "'blk.0.ffn_gate.weight' has wrong shape" in error.what
    assert error.next_step == "leave GGUF recipes out for this checkpoint"
