"""A stamp tells whether a file is the one that was there, also where its size and time are the same."""

import os
from pathlib import Path

from quantgate.flows.build.repeating.stamps import (
    GONE,
    is_as_stamped,
    package_stamp_of,
    stamp_of,
    stamps_below,
)


def test_other_content_of_the_same_size_and_time_has_another_stamp(tmp_path: Path) -> None:
    file = tmp_path / "items.jsonl"
    file.write_text("right")
    before, facts = stamp_of(file), file.stat()
    file.write_text("wrong")
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert file.stat().st_mtime_ns == facts.st_mtime_ns
    assert stamp_of(file) != before


def test_a_file_that_was_put_in_the_place_of_another_has_another_stamp(tmp_path: Path) -> None:
    file, other = tmp_path / "policy.yaml", tmp_path / "other"
    file.write_text("a")
    other.write_text("b")
    before = stamp_of(file)
    other.replace(file)
    assert stamp_of(file) != before


def test_a_package_s_file_that_another_environment_links_is_the_same(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text("a")
    packaged, plain = package_stamp_of(file), stamp_of(file)
    os.link(file, tmp_path / "link")
    assert is_as_stamped(str(file), packaged)
    assert not is_as_stamped(str(file), plain)
    file.write_text("b")
    assert not is_as_stamped(str(file), packaged)


def test_what_was_missing_is_as_it_was_while_it_is(tmp_path: Path) -> None:
    file = tmp_path / "adjudications.jsonl"
    assert is_as_stamped(str(file), GONE)
    file.write_text("")
    assert not is_as_stamped(str(file), GONE)


def test_what_is_not_there_has_none(tmp_path: Path) -> None:
    assert stamp_of(tmp_path / "adjudications.jsonl") == GONE


def test_a_new_file_changes_its_folder_s_stamp(tmp_path: Path) -> None:
    before = dict(stamps_below(tmp_path))
    (tmp_path / "new").write_text("")
    after = dict(stamps_below(tmp_path))
    assert after[str(tmp_path)] != before[str(tmp_path)]
    assert str(tmp_path / "new") in after


def test_what_is_left_out_is_left_out_at_every_depth(tmp_path: Path) -> None:
    (tmp_path / "deep" / "__pycache__").mkdir(parents=True)
    (tmp_path / "deep" / "__pycache__" / "module.pyc").write_text("")
    (tmp_path / "deep" / "module.py").write_text("")
    names = {Path(place).name for place, _ in stamps_below(tmp_path, ("__pycache__",))}
    assert names == {tmp_path.name, "deep", "module.py"}
