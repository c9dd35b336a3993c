"""Checkpoints as git and the hub's own client leave them on a disk."""

import json
from pathlib import Path

import pytest

from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.engines.llamacpp.pretypes import byte_fallback_hint
from quantgate.pipelines.engines.loading_report import LoadingReport, Misshapen, refuse_incomplete
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.source import HubSettings
from tests.support.fakes import fake_checkpoint
from tests.support.models.checkpoints import write_checkpoint

POINTER = (
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)


def resolve(folder: Path, store: Path) -> Checkpoint:
    return resolve_checkpoint(str(folder), name=None, store=Store(root=store), hub=HubSettings())


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_pointer_in_place_of_any_file_is_called_by_its_name(tmp_path: Path, name: str) -> None:
    folder = write_checkpoint(tmp_path / "model")
    (folder / name).write_text(POINTER)
    with pytest.raises(CheckpointError, match=f"{name} is a git-lfs pointer") as caught:
        resolve(folder, tmp_path / "store")
    assert caught.value.next_step == f"fetch them: git -C {folder} lfs pull"


def test_a_clone_without_any_of_its_files_is_one_sentence(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "model")
    for name in ("model.safetensors", "tokenizer.json"):
        (folder / name).write_text(POINTER)
    with pytest.raises(CheckpointError, match="are git-lfs pointers"):
        resolve(folder, tmp_path / "store")


def test_a_revision_in_the_hubs_cache_is_called_as_its_repository(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--acme--support-llama" / "snapshots" / ("0" * 40)
    write_checkpoint(snapshot)
    assert resolve(snapshot, tmp_path / "store").name == "acme--support-llama"


def test_a_folder_that_is_only_called_snapshots_keeps_its_name(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "training" / "snapshots" / "step-100")
    assert resolve(folder, tmp_path / "store").name == "step-100"


def loading(**found: object) -> LoadingReport:
    empty: dict[str, object] = {"missing": (), "misshapen": (), "unused": ()}
    return LoadingReport(config_json="{}", **(empty | found))  # type: ignore[arg-type]


def test_a_renamed_weight_is_missing_under_one_name_and_lying_about_under_another(
    tmp_path: Path,
) -> None:
    report = loading(missing=("model.norm.weight",), unused=("model.final.weight",))
    with pytest.raises(CheckpointError) as caught:
        refuse_incomplete(report, fake_checkpoint(tmp_path))
    assert caught.value.what == (
        "weights and config.json do not belong together: model.norm.weight is missing; "
        "nothing uses model.final.weight, which is stored"
    )


def test_a_missing_head_says_how_it_may_have_been_meant(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        refuse_incomplete(loading(missing=("lm_head.weight",)), fake_checkpoint(tmp_path))
    assert caught.value.next_step and "tie_word_embeddings" in caught.value.next_step


def test_shapes_are_told_as_they_are_and_as_they_should_be(tmp_path: Path) -> None:
    odd = Misshapen(name="up_proj.weight", stored=(760, 256), described=(768, 256))
    with pytest.raises(
        CheckpointError, match=r"up_proj\.weight is 760 x 256, config.json says 768"
    ):
        refuse_incomplete(loading(misshapen=(odd,)), fake_checkpoint(tmp_path))


def test_weights_that_nothing_uses_are_said_and_no_reason_to_refuse(tmp_path: Path) -> None:
    notes = refuse_incomplete(loading(unused=("a.bias", "b.bias")), fake_checkpoint(tmp_path))
    assert notes == ("nothing uses a.bias, b.bias, which are stored",)
    assert refuse_incomplete(loading(), fake_checkpoint(tmp_path)) == ()


@pytest.mark.parametrize(
    ("fallback", "pre_tokenizer", "hinted"),
    [
        (True, {"type": "ByteLevel"}, True),
        (False, {"type": "ByteLevel"}, False),
        (True, {"type": "Metaspace"}, False),
        (True, {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}]}, True),
    ],
)
def test_only_byte_level_pieces_that_say_byte_fallback_have_the_hint(
    tmp_path: Path, fallback: bool, pre_tokenizer: object, hinted: bool
) -> None:
    content = {"model": {"byte_fallback": fallback}, "pre_tokenizer": pre_tokenizer}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    assert (byte_fallback_hint(tmp_path) is not None) is hinted
