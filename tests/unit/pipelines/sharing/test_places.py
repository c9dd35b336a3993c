"""Folders of shared file systems as places, and what is refused as one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.sharing.file_objects import FileObjects
from quantgate.pipelines.sharing.opening import open_objects, require_shareable
from tests.support.shared_objects import MemoryObjects


def test_of_many_who_create_one_file_one_succeeds_and_it_is_whole(tmp_path: Path) -> None:
    places = [FileObjects(tmp_path) for _ in range(16)]
    places[0].prepare()
    with ThreadPoolExecutor(16) as pool:
        for attempt in range(20):
            contents = [f"{n}".encode() * 1000 for n in range(16)]
            created = [*pool.map(lambda p, c, a=attempt: p.create(f"a/{a}", c), places, contents)]
            assert sum(created) == 1
            assert places[0].read(f"a/{attempt}") == contents[created.index(True)]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(map(str, range(20)))


def test_files_are_listed_read_replaced_and_removed(tmp_path: Path) -> None:
    place = open_objects(f"file://{tmp_path}/with%20space")
    place.prepare()
    require_shareable(place)
    assert place.address == f"file://{tmp_path}/with space"
    place.write("a/b/c", b"1")
    place.write("a/b/c", b"22")
    place.write("ab/c", b"3")
    listed = place.listed("a/")
    assert {name: each.size_bytes for name, each in listed.items()} == {"a/b/c": 2}
    modified = (tmp_path / "with space" / "a/b/c").stat().st_mtime
    assert listed["a/b/c"].modified_at == modified
    place.remove("a/b/c")
    place.remove("a/b/c")
    assert place.read("a/b/c") is None
    assert place.listed("a/") == {}


@pytest.mark.parametrize("what", ["nothing", "file", "empty mount point"])
def test_a_folder_that_is_not_mounted_is_told_and_nothing_is_written_there(
    tmp_path: Path, what: str
) -> None:
    shelf = tmp_path / "shelf"
    if what == "file":
        shelf.write_text("no folder")
    elif what == "empty mount point":
        shelf.mkdir()
    before = sorted(tmp_path.rglob("*"))
    place = open_objects(f"file://{shelf}")
    asked: list[Callable[[], object]] = [
        lambda: require_shareable(place),
        lambda: place.read("a"),
        lambda: place.write("a", b""),
        lambda: place.create("a", b""),
        lambda: place.remove("a"),
        lambda: place.listed("a/"),
    ]
    for ask in asked:
        with pytest.raises(ServiceError, match="is not mounted, or was never made") as caught:
            ask()
        assert caught.value.where == f"file://{shelf}"
        assert caught.value.transient
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_is_made_a_shared_one_once_and_never_together_with_a_mount_point(
    tmp_path: Path,
) -> None:
    place = FileObjects(tmp_path / "shelf")
    place.prepare()
    place.write("a", b"1")
    place.prepare()
    assert place.read("a") == b"1"
    with pytest.raises(ServiceError, match="the shared store cannot be used"):
        FileObjects(tmp_path / "mnt" / "shelf").prepare()
    assert not (tmp_path / "mnt").exists()


@pytest.mark.parametrize(
    "address",
    [
        "gs://bucket/a",
        "az://c/a",
        "memory://a",
        "/srv/a",
        "s3:/b",
        "s3://",
        "file:a",
        "file://host/a",
    ],
)
def test_what_is_no_place_is_refused_in_one_line(address: str) -> None:
    with pytest.raises(InputError, match="is no shared store") as caught:
        open_objects(address)
    assert caught.value.next_step is not None and "QUANTGATE_SHARED_STORE" in caught.value.next_step


def test_a_place_that_ignores_the_condition_is_refused() -> None:
    class Careless(MemoryObjects):
        def create(self, name: str, content: bytes) -> bool:
            self.write(name, content)
            return True

    place = Careless()
    with pytest.raises(ServiceError, match="no If-None-Match") as caught:
        require_shareable(place)
    assert not caught.value.transient
    assert place.contents == {}
