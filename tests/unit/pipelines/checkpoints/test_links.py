from pathlib import Path

import pytest

from quantgate.pipelines.checkpoints.links import refuse_leaving_links
from quantgate.pipelines.domain.errors import CheckpointError


def test_a_folder_of_plain_files_is_taken(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    refuse_leaving_links(tmp_path, where="here")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "extra"])
def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").mkdir()
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / name).symlink_to(tmp_path / "outside")
    with pytest.raises(CheckpointError, match=f"here: {name} is a link that leaves"):
        refuse_leaving_links(folder, where="here")


def test_a_link_that_comes_back_through_another_one_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "secret").write_text("x")
    (folder / "sub" / "up").symlink_to("../..")
    (folder / "config.json").symlink_to("sub/up/secret")
    with pytest.raises(CheckpointError, match="is a link that leaves"):
        refuse_leaving_links(folder, where="here")


@pytest.mark.parametrize("target", ["nowhere", "config.json"])
def test_a_link_that_points_nowhere_or_at_itself_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "config.json").symlink_to(target)
    with pytest.raises(CheckpointError, match="points nowhere"):
        refuse_leaving_links(tmp_path, where="here")


def test_links_within_the_folder_and_into_the_hub_caches_blobs_are_taken(tmp_path: Path) -> None:
    repository = tmp_path / "models--org--name"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "blobs" / "abc").write_text("{}")
    (snapshot / "config.json").symlink_to("../../blobs/abc")
    (snapshot / "again.json").symlink_to("config.json")
    refuse_leaving_links(snapshot, where="here")


def test_a_snapshot_may_not_link_into_another_repository(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--org--name" / "snapshots" / "main"
    snapshot.mkdir(parents=True)
    (tmp_path / "models--org--name" / "blobs").mkdir()
    other = tmp_path / "models--org--other" / "blobs"
    other.mkdir(parents=True)
    (other / "abc").write_text("{}")
    (snapshot / "config.json").symlink_to(other / "abc")
    with pytest.raises(CheckpointError, match="leaves"):
        refuse_leaving_links(snapshot, where="here")
