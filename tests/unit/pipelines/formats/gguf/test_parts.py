"""GGUF files in parts are read as if they were whole, and never one for another."""

from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.formats.gguf.parts import (
    gguf_files,
    part_name,
    read_all_headers,
    read_part_name,
)
from tests.support.llamacpp.gguf_writing import write_gguf, write_parts
from tests.support.models.foreign import SAID, shapes


@pytest.fixture
def parts(tmp_path: Path) -> tuple[Path, ...]:
    return write_parts(tmp_path, "demo-Q8_0", SAID, shapes(), 3)


def test_names_of_parts_are_read_and_written_alike() -> None:
    name = "org_Model-7B-Q4_K_M-00002-of-00003.gguf"
    part = read_part_name(name)
    assert part is not None
    assert (part.stem, part.number, part.count) == ("org_Model-7B-Q4_K_M", 2, 3)
    assert part_name(part.stem, 2, 3) == name
    assert part.of(1) == "org_Model-7B-Q4_K_M-00001-of-00003.gguf"


@pytest.mark.parametrize("name", ["model.gguf", "m-1-of-2.gguf", "m-00001-of-00002.bin"])
def test_other_names_are_of_whole_files(name: str) -> None:
    assert read_part_name(name) is None


def test_parts_have_all_tensors_and_the_first_one_s_metadata(
    parts: tuple[Path, ...], tmp_path: Path
) -> None:
    whole = read_all_headers(write_gguf(tmp_path / "whole.gguf", SAID, shapes()))
    split = read_all_headers(parts[0])
    assert split.metadata == whole.metadata
    assert {t.name: (t.dtype, t.shape) for t in split.tensors} == {
        t.name: (t.dtype, t.shape) for t in whole.tensors
    }
    assert {tensor.file for tensor in split.tensors} == set(parts)


def test_every_part_leads_to_all_of_them(parts: tuple[Path, ...]) -> None:
    assert gguf_files(parts[2]) == parts


def test_a_missing_part_is_named(parts: tuple[Path, ...]) -> None:
    parts[1].unlink()
    with pytest.raises(
        CheckpointError, match=r"demo-Q8_0-00002-of-00003\.gguf of its 3 parts is missing"
    ):
        read_all_headers(parts[0])


def test_two_parts_exchanged_are_refused(parts: tuple[Path, ...], tmp_path: Path) -> None:
    parts[1].rename(tmp_path / "kept")
    parts[2].rename(parts[1])
    (tmp_path / "kept").rename(parts[2])
    with pytest.raises(CheckpointError, match="says that it is part 3 of 3, and its name does not"):
        read_all_headers(parts[0])


def test_a_part_under_the_name_of_a_whole_file_is_refused(parts: tuple[Path, ...]) -> None:
    whole = parts[0].rename(parts[0].with_name("whole.gguf"))
    with pytest.raises(CheckpointError, match="part 1 of 3, and its name does not"):
        read_all_headers(whole)


def test_a_tensor_in_two_parts_is_refused(tmp_path: Path) -> None:
    parts = write_parts(tmp_path, "demo", SAID, shapes(), 2)
    said = {"split.no": 1, "split.count": 2, "split.tensors.count": len(shapes())}
    held = dict(list(shapes().items())[::2][:10])
    write_gguf(parts[1], said, held)
    with pytest.raises(CheckpointError, match="in its parts, and the first says"):
        read_all_headers(parts[0])
