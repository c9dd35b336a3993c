import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.sealed import (
    MANIFEST,
    is_sealed,
    produce_once,
    read_manifest,
    read_sealed,
    verify,
)


@dataclass(frozen=True)
class Note:
    text: str


def produce(staging: Path) -> Note:
    (staging / "a.txt").write_text("content")
    (staging / "sub").mkdir()
    (staging / "sub" / "b.bin").write_bytes(b"\0" * 10)
    return Note("made")


def test_a_produced_folder_has_its_files_and_a_manifest_that_names_them(tmp_path: Path) -> None:
    manifest = produce_once(tmp_path / "x", Note, produce)
    assert manifest.record == Note("made")
    assert [file.path for file in manifest.files] == ["a.txt", "sub/b.bin"]
    assert manifest.size_bytes == 17
    assert read_manifest(tmp_path / "x", Note) == manifest


def test_a_sealed_folder_is_not_produced_again(tmp_path: Path) -> None:
    produce_once(tmp_path / "x", Note, produce)

    def never(staging: Path) -> Note:
        raise AssertionError("produced twice")

    assert produce_once(tmp_path / "x", Note, never).record == Note("made")


def test_a_failing_producer_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(staging: Path) -> Note:
        (staging / "half").write_text("half")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        produce_once(tmp_path / "x", Note, fail)
    assert [path.name for path in tmp_path.iterdir()] == [".x.lock"]


def test_staging_left_by_a_killed_process_and_an_unsealed_folder_are_cleared(
    tmp_path: Path,
) -> None:
    (tmp_path / ".x.staging-dead").mkdir()
    (tmp_path / ".x.staging-dead" / "half").write_text("half")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "stray").write_text("not sealed")
    produce_once(tmp_path / "x", Note, produce)
    assert not (tmp_path / ".x.staging-dead").exists()
    assert not (tmp_path / "x" / "stray").exists()
    assert is_sealed(tmp_path / "x")


def test_producers_at_the_same_time_produce_once(tmp_path: Path) -> None:
    made: list[Path] = []

    def count(staging: Path) -> Note:
        made.append(staging)
        return produce(staging)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: produce_once(tmp_path / "x", Note, count), range(8)))
    assert len(made) == 1


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_verify_names_the_file_that_was_altered(tmp_path: Path, damage: str) -> None:
    manifest = produce_once(tmp_path / "x", Note, produce)
    file = tmp_path / "x" / "sub" / "b.bin"
    if damage == "flip":
        file.write_bytes(b"\0" * 9 + b"\1")
    elif damage == "truncate":
        file.write_bytes(b"\0" * 9)
    else:
        file.unlink()
    with pytest.raises(InputError, match=r"b\.bin"):
        verify(tmp_path / "x", manifest)


def test_a_damaged_manifest_is_refused_with_its_path(tmp_path: Path) -> None:
    produce_once(tmp_path / "x", Note, produce)
    (tmp_path / "x" / MANIFEST).write_text("{}")
    with pytest.raises(InputError, match=r"manifest\.json: is damaged"):
        read_manifest(tmp_path / "x", Note)


@pytest.mark.parametrize("name", ["chat_template.jinja", "sub/added.json", ".hidden", "new/x"])
def test_a_file_that_was_added_is_refused_by_whoever_opens_the_folder(
    tmp_path: Path, name: str
) -> None:
    manifest = produce_once(tmp_path / "x", Note, produce)
    added = tmp_path / "x" / name
    added.parent.mkdir(exist_ok=True)
    added.write_text("{{ messages }}")
    with pytest.raises(InputError, match="was added to a sealed folder"):
        verify(tmp_path / "x", manifest)
    with pytest.raises(InputError, match="was added to a sealed folder"):
        produce_once(tmp_path / "x", Note, produce)


def test_a_sealed_file_that_became_a_link_is_missing(tmp_path: Path) -> None:
    manifest = produce_once(tmp_path / "x", Note, produce)
    file = tmp_path / "x" / "a.txt"
    file.rename(tmp_path / "elsewhere.txt")
    file.symlink_to(tmp_path / "elsewhere.txt")
    with pytest.raises(InputError, match=r"a\.txt: a sealed file is missing"):
        verify(tmp_path / "x", manifest)


@pytest.mark.parametrize("link", ["file", "folder"])
def test_what_lies_elsewhere_cannot_be_sealed(tmp_path: Path, link: str) -> None:
    def linked(staging: Path) -> Note:
        (staging / "link").symlink_to(tmp_path if link == "folder" else tmp_path / "outside")
        return Note("made")

    (tmp_path / "outside").write_text("content")
    with pytest.raises(InputError, match="is no plain file and cannot be sealed"):
        produce_once(tmp_path / "x", Note, linked)
    assert not (tmp_path / "x").exists()


def test_bytes_written_after_sealing_are_compared_on_opening_without_hashing_the_others(
    tmp_path: Path,
) -> None:
    produce_once(tmp_path / "x", Note, produce)
    file = tmp_path / "x" / "a.txt"
    file.write_text("CONTENT")
    os.utime(file, (file.stat().st_mtime + 5, file.stat().st_mtime + 5))
    with pytest.raises(InputError, match=r"a\.txt: a sealed file was altered"):
        read_sealed(tmp_path / "x", Note)


def test_a_folder_that_was_copied_with_new_times_opens(tmp_path: Path) -> None:
    produce_once(tmp_path / "x", Note, produce)
    for file in ("a.txt", "sub/b.bin"):
        os.utime(tmp_path / "x" / file, (4e9, 4e9))
    assert read_sealed(tmp_path / "x", Note).record == Note("made")


@pytest.mark.parametrize("place", ["record", "sha256", "size_bytes", "path", "digest"])
def test_an_edited_manifest_is_refused(tmp_path: Path, place: str) -> None:
    produce_once(tmp_path / "x", Note, produce)
    path = tmp_path / "x" / MANIFEST
    written = json.loads(path.read_text())
    if place == "record":
        written["record"]["text"] = "better"
    elif place == "digest":
        written["digest"] = "0" * 64
    else:
        written["files"][0][place] = 1 if place == "size_bytes" else "0" * 64
    path.write_text(json.dumps(written))
    with pytest.raises(InputError, match=r"manifest\.json: a sealed manifest was edited"):
        read_manifest(tmp_path / "x", Note)
