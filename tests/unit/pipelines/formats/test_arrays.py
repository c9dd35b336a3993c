"""Arrays in safetensors files: written aligned, read back as the values they are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.formats.arrays import Array, read_array, write_tensors
from quantgate.pipelines.formats.safetensors import read_header


def test_a_written_file_reads_back_aligned(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    arrays: dict[str, Array] = {
        "short": np.array([1, 2, 3], dtype=np.float16),
        "a long": np.array([[4]], dtype=np.int64),
        "word": np.array([5, 6, 7], dtype=np.int32),
    }
    write_tensors(path, arrays)
    found = {tensor.name: tensor for tensor in read_header(path)}
    assert {name: read_array(tensor).tolist() for name, tensor in found.items()} == {
        name: array.tolist() for name, array in arrays.items()
    }
    assert all(t.start % (t.size_bytes // t.parameter_count) == 0 for t in found.values())


def test_bfloat16_is_read_as_the_float_it_is(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_tensors(path, {"x": np.array([0x3FC0, 0xC000], dtype=np.float16)})
    (stored,) = read_header(path)
    path.write_bytes(path.read_bytes()[: stored.start] + b"\xc0\x3f\x00\xc0")
    assert read_array(replace(stored, dtype="BF16")).tolist() == [1.5, -2.0]


def test_a_file_that_ends_early_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_tensors(path, {"x": np.arange(4, dtype=np.int32)})
    (stored,) = read_header(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="ends inside x"):
        read_array(stored)
