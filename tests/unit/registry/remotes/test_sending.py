"""Weights that travel: sent once, in parts, going on where an earlier try ended; read back byte by byte."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from quantgate.pipelines.domain.errors import InputError, ServiceError, ToolchainError
from quantgate.pipelines.files.sealed import MANIFEST, Manifest, read_manifest
from quantgate.pipelines.sharing.parts import parts_of
from quantgate.registry import Tracking, record
from quantgate.registry.places.pulling import Pulled, pull_version
from quantgate.registry.remotes.objects import ObjectFolder
from quantgate.registry.remotes.remote import RemotePlace, manifest_name
from quantgate.registry.remotes.sending import send_folder
from quantgate.registry.weights import weights_setting
from tests.support.registered.registries import (
    MemoryRegistry,
    Sample,
    empty_database,
    evidence_of,
    tracking_in,
)

PART = 1000


class MemoryFolder:
    """A `RemoteFolder` in memory. It dies before its call of `send` number `dies_at`."""

    def __init__(self, dies_at: int = 10**9, loses: str = "") -> None:
        self.files: dict[str, bytes] = {}
        self.sent: list[str] = []
        self.dies_at = dies_at
        self.loses = loses

    address = "memory://weights"

    def sizes(self) -> Mapping[str, int]:
        return {name: len(content) for name, content in self.files.items()}

    def send(self, name: str, content: BinaryIO, size_bytes: int) -> None:
        if len(self.sent) == self.dies_at:
            raise ServiceError("went away", transient=True)
        self.sent.append(name)
        written = content.read()
        assert len(written) == size_bytes
        self.files[name] = written[:-1] if name == self.loses else written

    def read(self, name: str, start: int) -> Iterator[bytes]:
        yield self.files[name][start:]


@pytest.fixture
def tracking(tmp_path: Path) -> Tracking:
    return tracking_in(tmp_path / "store")


@pytest.fixture
def folder(tracking: Tracking) -> Path:
    return evidence_of(Sample(size_bytes=2500), tracking.store).variant.folder


def manifest_of(folder: Path) -> Manifest[object]:
    manifest: Manifest[object] = read_manifest(folder, object)
    return manifest


def send(folder: Path, remote: MemoryFolder) -> None:
    send_folder(folder, manifest_of(folder), remote, part_bytes=PART)


@pytest.mark.parametrize(
    ("size_bytes", "sizes"),
    [(0, [0]), (1, [1]), (1000, [1000]), (1001, [1000, 1]), (2500, [1000, 1000, 500])],
)
def test_parts_are_all_of_a_file_in_order(size_bytes: int, sizes: list[int]) -> None:
    parts = parts_of("m", size_bytes, PART)
    assert [part.size_bytes for part in parts] == sizes
    assert [part.start for part in parts] == [PART * number for number in range(len(sizes))]
    assert [part.name for part in parts] == sorted({part.name for part in parts})


def test_what_was_sent_is_read_back_from_any_byte_on(folder: Path) -> None:
    remote = MemoryFolder()
    send(folder, remote)
    content = (folder / "model.gguf").read_bytes()
    assert len(remote.files) == 4
    for start in (0, 1, 999, 1000, 1001, 2499, 2500):
        assert b"".join(RemotePlace(remote).read("model.gguf", start)) == content[start:]
    name = manifest_name(manifest_of(folder).digest)
    assert b"".join(RemotePlace(remote).read(name)) == (folder / MANIFEST).read_bytes()
    with pytest.raises(InputError, match=r"there is no file other\.gguf"):
        list(RemotePlace(remote).read("other.gguf"))


def test_the_same_content_is_sent_once(folder: Path) -> None:
    remote = MemoryFolder()
    send(folder, remote)
    sent = list(remote.sent)
    send(folder, remote)
    assert remote.sent == sent


@pytest.mark.parametrize("dies_at", range(4))
def test_interrupted_it_goes_on_with_what_did_not_arrive(folder: Path, dies_at: int) -> None:
    remote = MemoryFolder(dies_at=dies_at)
    with pytest.raises(ServiceError, match="went away"):
        send(folder, remote)
    assert manifest_name(manifest_of(folder).digest) not in remote.files
    remote.dies_at = 10**9
    send(folder, remote)
    assert sorted(remote.sent) == sorted(set(remote.sent)), "no part twice"
    assert b"".join(RemotePlace(remote).read("model.gguf")) == (folder / "model.gguf").read_bytes()


def test_a_part_that_arrived_cut_off_is_noticed_and_sent_again(folder: Path) -> None:
    lost = "model.gguf.part-0002-of-0003"
    remote = MemoryFolder(loses=lost)
    with pytest.raises(ServiceError, match=f"does not hold what it was sent .{lost}") as caught:
        send(folder, remote)
    assert caught.value.transient
    remote.loses = ""
    send(folder, remote)
    assert remote.sent.count(lost) == 2
    assert remote.sent.count("model.gguf.part-0001-of-0003") == 1


def test_a_registered_version_is_pulled_from_where_its_weights_went(
    tracking: Tracking, tmp_path: Path
) -> None:
    shelf = (tmp_path / "shelf").as_uri()
    sending, mlflow = replace(tracking, weights=shelf), MemoryRegistry()
    for engine in ("llama.cpp", "transformers"):
        evidence = evidence_of(Sample(engine=engine), tracking.store)
        record(evidence, sending, open_registry=mlflow.open)
    places = {version.tags["place"] for version in mlflow.models["support-llama"].values()}
    assert places == {f"{shelf}/{evidence.variant.files_digest}"}
    record(evidence, tracking, open_registry=mlflow.open)
    assert places == {v.tags["place"] for v in mlflow.models["support-llama"].values()}

    content = evidence.variant.artifact.read_bytes()
    (tmp_path / "store").rename(tmp_path / "gone")
    elsewhere = tracking_in(tmp_path / "other")
    empty_database(elsewhere)
    heard: list[tuple[int, int]] = []
    pulled = pull_version(
        "support-llama/1",
        tmp_path / "models",
        elsewhere,
        on_pull=lambda here, total: heard.append((here, total)),
        open_reader=mlflow.open_reader,
    )
    assert pulled.artifact.read_bytes() == content
    assert heard[-1] == (len(content), len(content))


def pulled_elsewhere(reference: str, mlflow: MemoryRegistry, folder: Path) -> Pulled:
    """Pull where the store is not."""
    elsewhere = tracking_in(folder / "other")
    empty_database(elsewhere)
    return pull_version(
        reference,
        folder / "models",
        elsewhere,
        on_pull=lambda here, total: None,
        open_reader=mlflow.open_reader,
    )


def test_versions_of_one_content_are_each_pulled_with_their_own_manifest(
    tracking: Tracking, tmp_path: Path
) -> None:
    shelf = (tmp_path / "shelf").as_uri()
    sending, mlflow = replace(tracking, weights=shelf), MemoryRegistry()
    digests = []
    for corpus in ("support-traffic@1", "support-traffic@2"):
        evidence = evidence_of(Sample(corpus=corpus), tracking.store)
        record(evidence, sending, open_registry=mlflow.open)
        digests.append(evidence.variant.manifest_digest)
    places = {version.tags["place"] for version in mlflow.models["support-llama"].values()}
    assert (len(places), len(set(digests))) == (1, 2)
    (tmp_path / "store").rename(tmp_path / "gone")
    for number, digest in enumerate(digests, start=1):
        pulled = pulled_elsewhere(f"support-llama/{number}", mlflow, tmp_path)
        assert manifest_of(pulled.folder).digest == digest


def test_what_was_sent_when_manifests_had_one_name_is_still_pulled(
    tracking: Tracking, tmp_path: Path
) -> None:
    sending, mlflow = replace(tracking, weights=(tmp_path / "shelf").as_uri()), MemoryRegistry()
    evidence = evidence_of(Sample(), tracking.store)
    record(evidence, sending, open_registry=mlflow.open)
    (sent,) = (tmp_path / "shelf").rglob("manifest-*.json")
    sent.rename(sent.with_name(MANIFEST))
    (tmp_path / "store").rename(tmp_path / "gone")
    pulled = pulled_elsewhere("support-llama/1", mlflow, tmp_path)
    assert manifest_of(pulled.folder).digest == evidence.variant.manifest_digest


def test_weights_come_back_from_every_kind_of_place_that_they_may_go_to(
    tracking: Tracking, tmp_path: Path
) -> None:
    weights = weights_setting({"QUANTGATE_WEIGHTS": f"memory://{tmp_path.name}"})
    mlflow = MemoryRegistry()
    evidence = evidence_of(Sample(), tracking.store)
    record(evidence, replace(tracking, weights=weights), open_registry=mlflow.open)
    content = evidence.variant.artifact.read_bytes()
    (tmp_path / "store").rename(tmp_path / "gone")
    assert pulled_elsewhere("support-llama/1", mlflow, tmp_path).artifact.read_bytes() == content


def test_weights_that_cannot_be_sent_make_no_version(tracking: Tracking, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    mlflow = MemoryRegistry()
    sending = replace(tracking, weights=(tmp_path / "file").as_uri())
    with pytest.raises(ServiceError):
        record(evidence_of(Sample(), tracking.store), sending, open_registry=mlflow.open)
    assert mlflow.models == {}


def test_an_address_of_no_known_kind_names_what_is_missing() -> None:
    with pytest.raises(ToolchainError, match="cannot be reached from here") as caught:
        ObjectFolder("nobody-knows://bucket/folder")
    assert "s3fs" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("", "reference"),
        ("upload", "upload"),
        (" s3://bucket/folder/ ", "s3://bucket/folder"),
    ],
)
def test_the_setting_says_where_weights_go(text: str, setting: str) -> None:
    assert weights_setting({"QUANTGATE_WEIGHTS": text}) == setting


def test_a_setting_that_is_no_place_is_refused() -> None:
    with pytest.raises(InputError, match="'bucket/folder' says nowhere to keep weights"):
        weights_setting({"QUANTGATE_WEIGHTS": "bucket/folder"})
