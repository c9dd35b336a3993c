"""An accepted checkpoint: what is read of it, its four digests, and what is not done twice."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.process.calls import Progress
from tests.support.models.checkpoints import (
    edit_json,
    weights,
    write_checkpoint,
    write_safetensors,
    write_shards,
)
from tests.support.models.random_llama import Shape, write_random_llama
from tests.support.project import PROJECT

PARTS = ("weights", "tokenizer", "chat_template", "config")


def _resolve(folder: Path, store: Store, name: str | None = None) -> Checkpoint:
    return resolve_checkpoint(str(folder), name=name, store=store, hub=HubSettings())


def _changed(before: Checkpoint, after: Checkpoint) -> set[str]:
    return {p for p in PARTS if getattr(before.digests, p) != getattr(after.digests, p)}


def test_a_checkpoint_is_described_from_its_files(tmp_path: Path, store: Store) -> None:
    checkpoint = _resolve(write_checkpoint(tmp_path / "tiny llama"), store)
    assert checkpoint.name == "tiny-llama"
    assert checkpoint.architecture == "LlamaForCausalLM"
    assert checkpoint.dtype == "F16"
    assert checkpoint.context_length_tokens == 128
    assert checkpoint.parameter_count == sum(values.size for values in weights().values())
    assert checkpoint.size_bytes == (tmp_path / "tiny llama/model.safetensors").stat().st_size
    shapes = {tensor.name: tensor.shape for tensor in checkpoint.tensors}
    assert shapes["model.layers.1.mlp.down_proj.weight"] == (128, 256)


def test_a_given_name_wins_and_is_made_registrable(tmp_path: Path, store: Store) -> None:
    folder = write_checkpoint(tmp_path / "model")
    assert _resolve(folder, store, "team/support: v2").name == "team-support-v2"


def test_a_changed_chat_template_changes_only_its_own_digest(tmp_path: Path, store: Store) -> None:
    folder = write_checkpoint(tmp_path / "model")
    before = _resolve(folder, store)
    (folder / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    assert _changed(before, _resolve(folder, store)) == {"chat_template"}


def test_moving_the_template_to_its_own_file_changes_nothing(tmp_path: Path, store: Store) -> None:
    folder = write_checkpoint(tmp_path / "model")
    before = _resolve(folder, store)
    template = json.loads((folder / "tokenizer_config.json").read_text())["chat_template"]
    (folder / "chat_template.jinja").write_text(template)
    edit_json(folder / "tokenizer_config.json", chat_template=None)
    assert _changed(before, _resolve(folder, store)) == set()


@pytest.mark.parametrize(
    ("file", "change", "part"),
    [
        ("config.json", {"rms_norm_eps": 1e-6}, "config"),
        ("generation_config.json", {"eos_token_id": [0, 1]}, "config"),
        ("tokenizer_config.json", {"eos_token": "<end>"}, "tokenizer"),
    ],
)
def test_a_meaningful_change_changes_the_digest_of_its_part(
    file: str, change: dict[str, object], part: str, tmp_path: Path, store: Store
) -> None:
    folder = write_checkpoint(tmp_path / "model")
    before = _resolve(folder, store)
    edit_json(folder / file, **change)
    assert _changed(before, _resolve(folder, store)) == {part}


def test_who_wrote_the_files_does_not_matter(tmp_path: Path, store: Store) -> None:
    folder = write_checkpoint(tmp_path / "model")
    before = _resolve(folder, store)
    edit_json(folder / "config.json", transformers_version="4.51.0", _name_or_path="elsewhere")
    edit_json(folder / "tokenizer_config.json", name_or_path="elsewhere")
    assert _changed(before, _resolve(folder, store)) == set()


def test_one_changed_weight_changes_the_weights_digest(tmp_path: Path, store: Store) -> None:
    folder = write_checkpoint(tmp_path / "model")
    before = _resolve(folder, store)
    tensors = weights()
    tensors["model.norm.weight"][0] = np.float16(1.001)
    write_safetensors(folder / "model.safetensors", tensors)
    assert _changed(before, _resolve(folder, store)) == {"weights"}


def test_shards_are_read_together(tmp_path: Path, store: Store) -> None:
    folder = write_checkpoint(tmp_path / "model")
    single = _resolve(folder, store)
    write_shards(folder)
    sharded = _resolve(folder, store)
    assert sharded.tensors == single.tensors
    assert sharded.parameter_count == single.parameter_count


def test_the_second_look_neither_hashes_nor_scans_large_weights(
    tmp_path: Path, store: Store
) -> None:
    """The file's bytes change under an unchanged size and mtime: whoever read them again would notice."""
    folder = write_checkpoint(tmp_path / "model")
    file = folder / "model.safetensors"
    tensors = weights() | {"model.extra": np.zeros(1 << 20, dtype=np.float16)}
    write_safetensors(file, tensors)
    before = _resolve(folder, store)
    stat = file.stat()
    tensors["model.extra"][:] = np.nan
    write_safetensors(file, tensors)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert _resolve(folder, store).digests == before.digests


def test_a_refused_scan_is_remembered_too(tmp_path: Path, store: Store) -> None:
    folder = write_checkpoint(tmp_path / "model")
    tensors = weights()
    tensors["model.norm.weight"][0] = np.inf
    write_safetensors(folder / "model.safetensors", tensors)
    seen: list[Progress] = []
    for _ in range(2):
        with pytest.raises(CheckpointError, match="NaN or infinity"):
            resolve_checkpoint(
                str(folder), name=None, store=store, hub=HubSettings(), on_progress=seen.append
            )
    scans = [progress for progress in seen if "NaN" in progress.what]
    assert len(scans) == len(tensors)


def test_a_warm_look_takes_less_than_a_tenth_of_a_second(tmp_path: Path, store: Store) -> None:
    folder = write_checkpoint(tmp_path / "model")
    _resolve(folder, store)
    started = time.process_time()
    _resolve(folder, store)
    assert time.process_time() - started < 0.1


def test_resolving_imports_no_torch_and_a_folder_no_hub_client(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "model")
    code = (
        "import sys; from pathlib import Path; from quantgate.pipelines.files.store import Store;"
        "from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint;"
        "from quantgate.pipelines.hub.source import HubSettings;"
        f"resolve_checkpoint({str(folder)!r}, name=None, store=Store(root=Path({str(tmp_path)!r})),"
        " hub=HubSettings());"
        "heavy = {'torch', 'transformers', 'huggingface_hub', 'safetensors'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True)


def test_names_in_other_scripts_stay_two_names(tmp_path: Path, store: Store) -> None:
    folder = write_checkpoint(tmp_path / "any")
    names = [
        _resolve(folder, store, name).name for name in ("模型甲", "模型乙", "Модель", "support-甲")
    ]

    assert len(set(names)) == len(names)
    assert all(name.isascii() for name in names)
    assert names[3].startswith("support-")
    assert _resolve(folder, store, "模型甲").name == names[0]


def test_one_of_320_files_is_resolved_within_two_seconds_once_it_was_hashed(
    tmp_path: Path, store: Store
) -> None:
    shape = Shape(hidden=64, feed_forward=128, layers=142)
    folder = write_random_llama(tmp_path / "model", shape, files=320)
    assert len(list(folder.glob("*.safetensors"))) == 320
    hashed = _resolve(folder, store)
    started = time.process_time()
    assert _resolve(folder, store) == hashed
    assert time.process_time() - started < 2
