"""Pulling: whole, verified and resumed, or refused with nothing half there."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InputError, ServiceError, ToolchainError
from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.files.sealed import SealedFile
from quantgate.registry import Tracking, record
from quantgate.registry.facts import VersionFacts
from quantgate.registry.places.fetching import Fetch
from quantgate.registry.places.folder import FolderPlace
from quantgate.registry.places.opening import open_place
from quantgate.registry.places.pulling import Pulled, pull_version
from quantgate.registry.serving import serving_command
from tests.support.registered.registries import (
    MemoryRegistry,
    Sample,
    evidence_of,
)

MODEL = "support-llama"


@pytest.fixture
def mlflow(tracking: Tracking) -> MemoryRegistry:
    registry = MemoryRegistry()
    record(evidence_of(Sample(), tracking.store), tracking, open_registry=registry.open)
    return registry


def pulled(mlflow: MemoryRegistry, tracking: Tracking, to: Path) -> Pulled:
    seen: list[tuple[int, int]] = []
    result = pull_version(
        f"{MODEL}@support-desk", to, tracking,
        on_pull=lambda here, total: seen.append((here, total)), open_reader=mlflow.open_reader,
    )  # fmt: skip
    assert seen[-1] == (4000, 4000)
    return result


def stored(tracking: Tracking) -> Path:
    (folder,) = tracking.store.variants.glob("[!.]*")
    return folder


def test_a_pulled_version_is_whole_and_says_what_serves_it(
    tracking: Tracking, mlflow: MemoryRegistry, tmp_path: Path
) -> None:
    result = pulled(mlflow, tracking, tmp_path / "here")
    original = stored(tracking)
    assert result.folder == tmp_path / "here" / original.name
    assert result.artifact.read_bytes() == (original / "model.gguf").read_bytes()
    assert result.command == f"llama-server -m {result.artifact}"
    assert sorted(path.name for path in result.folder.iterdir()) == ["manifest.json", "model.gguf"]
    assert result.artifact.stat().st_ino != (original / "model.gguf").stat().st_ino
    again = pulled(mlflow, tracking, tmp_path / "here")
    assert again == result


def test_the_manifest_is_on_the_disk_before_the_folder_has_its_name(
    tracking: Tracking, mlflow: MemoryRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, fsync = list[tuple[str, bool]](), os.fsync
    to = tmp_path / "here"
    target = to / stored(tracking).name

    def note(descriptor: int) -> None:
        synced.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), target.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    pulled(mlflow, tracking, to)
    assert (str(to / f".{target.name}.partial" / "manifest.json"), False) in synced
    assert synced[-1] == (str(to), True)


def test_what_came_before_an_interruption_is_not_read_again(
    tracking: Tracking, mlflow: MemoryRegistry, tmp_path: Path
) -> None:
    original = stored(tracking)
    partial = tmp_path / "here" / f".{original.name}.partial"
    partial.mkdir(parents=True)
    (partial / "model.gguf").write_bytes((original / "model.gguf").read_bytes()[:1500])
    pulled(mlflow, tracking, tmp_path / "here")
    assert not partial.exists()


@pytest.mark.parametrize("left", [b"something else", b"x" * 5000, b""])
def test_leftovers_that_are_not_its_beginning_are_read_anew(
    tracking: Tracking, mlflow: MemoryRegistry, tmp_path: Path, left: bytes
) -> None:
    partial = tmp_path / "here" / f".{stored(tracking).name}.partial"
    partial.mkdir(parents=True)
    (partial / "model.gguf").write_bytes(left)
    pulled(mlflow, tracking, tmp_path / "here")


def test_altered_files_are_refused_and_nothing_has_the_name(
    tracking: Tracking, mlflow: MemoryRegistry, tmp_path: Path
) -> None:
    weights = stored(tracking) / "model.gguf"
    weights.write_bytes(b"?" + weights.read_bytes()[1:])
    with pytest.raises(InputError, match=r"model\.gguf is not what was registered"):
        pulled(mlflow, tracking, tmp_path / "here")
    assert [path.name for path in (tmp_path / "here").glob("[!.]*")] == []


def test_files_that_are_gone_are_said_to_be(
    tracking: Tracking, mlflow: MemoryRegistry, tmp_path: Path
) -> None:
    (stored(tracking) / "model.gguf").unlink()
    with pytest.raises(InputError, match="the registered file is not on this machine"):
        pulled(mlflow, tracking, tmp_path / "here")


def test_another_manifest_than_the_registered_one_is_refused(
    tracking: Tracking, mlflow: MemoryRegistry, tmp_path: Path
) -> None:
    manifest = stored(tracking) / "manifest.json"
    manifest.write_text(manifest.read_text().replace("4000", "4001"))
    with pytest.raises(InputError, match="manifest"):
        pulled(mlflow, tracking, tmp_path / "here")


def test_a_folder_that_is_something_else_is_left_alone(
    tracking: Tracking, mlflow: MemoryRegistry, tmp_path: Path
) -> None:
    mine = tmp_path / "here" / stored(tracking).name
    mine.mkdir(parents=True)
    (mine / "notes").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        pulled(mlflow, tracking, tmp_path / "here")
    assert (mine / "notes").read_text() == "mine"


def test_a_pulled_folder_that_was_altered_since_is_refused(
    tracking: Tracking, mlflow: MemoryRegistry, tmp_path: Path
) -> None:
    result = pulled(mlflow, tracking, tmp_path / "here")
    result.artifact.write_bytes(result.artifact.read_bytes()[:-1] + b"?")
    with pytest.raises(InputError, match="a sealed file was altered"):
        pulled(mlflow, tracking, tmp_path / "here")


class BreakingPlace:
    """A place elsewhere, whose connection breaks after so many bytes, once."""

    folder = None

    def __init__(self, content: bytes, breaks_after: int) -> None:
        self.content = content
        self.breaks_after = breaks_after
        self.starts: list[int] = []

    def read(self, name: str, start: int = 0) -> Iterator[bytes]:
        self.starts.append(start)
        if len(self.starts) == 1:
            yield self.content[: self.breaks_after]
            raise ServiceError("went away", transient=True)
        yield self.content[start:]


def test_a_connection_that_broke_goes_on_where_it_stopped(tmp_path: Path) -> None:
    content = os.urandom(9000)
    (tmp_path / "whole").write_bytes(content)
    file = SealedFile(path="a/w.bin", size_bytes=9000, sha256=file_digest(tmp_path / "whole"))
    place, counted = BreakingPlace(content, 4000), list[int]()
    fetch = Fetch(place=place, folder=tmp_path, uri="models:/m/1", on_bytes=counted.append)
    with pytest.raises(ServiceError):
        fetch.file(file)
    fetch.file(file)
    assert place.starts == [0, 4000]
    assert (tmp_path / "a" / "w.bin").read_bytes() == content


def test_places_of_kinds_that_nobody_knows_are_refused_by_name(tracking: Tracking) -> None:
    assert open_place("/a/folder", tracking) == FolderPlace(Path("/a/folder"))
    with pytest.raises(ToolchainError, match="nobody-knows://"):
        open_place("nobody-knows://bucket/key", tracking)


def test_commands_serve_each_format_with_the_cache_of_its_verdict(
    tracking: Tracking, mlflow: MemoryRegistry, tmp_path: Path
) -> None:
    facts = pulled(mlflow, tracking, tmp_path / "here").version.facts

    def command(form: str, kv: str) -> str:
        changed: VersionFacts = replace(
            facts, format=form, runtime=replace(facts.runtime, kv_cache=kv)
        )
        return serving_command(changed, Path("/a b"))

    assert command("gguf", "f16") == "llama-server -m '/a b'"
    assert command("gguf", "q8_0") == (
        "llama-server -m '/a b' --cache-type-k q8_0 --cache-type-v q8_0 --flash-attn on"
    )
    assert command("compressed-tensors", "bf16") == "vllm serve '/a b'"
    assert command("awq", "fp8") == "vllm serve '/a b' --kv-cache-dtype fp8"
