"""Files that belong together get their names together, or none of them does."""

from pathlib import Path

import pytest

from quantgate.pipelines.files.records import write_together


def test_all_files_are_written(tmp_path: Path) -> None:
    contents = {tmp_path / "new" / "a.txt": b"a", tmp_path / "new" / "deep" / "b.txt": b"b"}
    write_together(contents)
    assert {path: path.read_bytes() for path in contents} == contents
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 2


def test_where_one_cannot_be_written_nothing_is_left_and_old_files_stay(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "old.txt").write_text("old")
    contents = {
        tmp_path / "new" / "deep" / "a.txt": b"a",
        tmp_path / "old.txt": b"new",
        tmp_path / "file" / "b.txt": b"b",
    }
    with pytest.raises(OSError, match="file"):
        write_together(contents)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "old.txt"]
    assert (tmp_path / "old.txt").read_text() == "old"
