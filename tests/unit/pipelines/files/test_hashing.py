import os
from pathlib import Path

from quantgate.pipelines.domain.values import folder_digest
from quantgate.pipelines.files.hashing import DigestMemory, file_digest


def large_file(folder: Path, fill: bytes) -> Path:
    path = folder / "large"
    path.write_bytes(fill * (2 << 20))
    return path


def test_a_large_file_is_hashed_once_and_remembered_across_processes(tmp_path: Path) -> None:
    path = large_file(tmp_path, b"a")
    digest = DigestMemory(tmp_path / "memory.json").digest(path)
    stat = path.stat()
    path.write_bytes(b"b" * (2 << 20))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert DigestMemory(tmp_path / "memory.json").digest(path) == digest


def test_a_changed_modification_time_means_hashing_again(tmp_path: Path) -> None:
    path = large_file(tmp_path, b"a")
    memory = DigestMemory(tmp_path / "memory.json")
    before = memory.digest(path)
    path.write_bytes(b"b" * (2 << 20))
    os.utime(path, ns=(1, 1))
    assert memory.digest(path) == file_digest(path) != before


def test_an_unreadable_memory_is_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "memory.json").write_text("not json")
    path = large_file(tmp_path, b"a")
    assert DigestMemory(tmp_path / "memory.json").digest(path) == file_digest(path)


def test_a_folder_digest_depends_on_names_and_not_on_order(tmp_path: Path) -> None:
    a, b = file_digest(large_file(tmp_path, b"a")), file_digest(large_file(tmp_path, b"b"))
    assert folder_digest([("1", a), ("2", b)]) == folder_digest([("2", b), ("1", a)])
    assert folder_digest([("1", a), ("2", b)]) != folder_digest([("1", b), ("2", a)])
