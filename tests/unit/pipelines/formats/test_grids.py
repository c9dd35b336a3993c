"""Weights that sit on a grid of few values are told from trained ones by samples."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from quantgate.pipelines.checkpoints.soundness import scan_weights
from quantgate.pipelines.domain.checkpoint import WeightGrid
from quantgate.pipelines.formats.arrays import write_tensors
from quantgate.pipelines.formats.grids import block_values
from quantgate.pipelines.formats.safetensors import StoredTensor, read_header
from quantgate.pipelines.process.calls import ignore_progress

_RANDOM = np.random.default_rng(0)


def trained(rows: int = 64, columns: int = 128) -> NDArray[np.float16]:
    return np.asarray(_RANDOM.standard_normal((rows, columns)), dtype=np.float16)


def rounded(values: NDArray[np.float16], levels: int, group: int) -> NDArray[np.float16]:
    """Round to nearest of so many levels between the ends of each group, as quantizers do."""
    groups = values.astype(np.float32).reshape(-1, group)
    low, high = groups.min(axis=1, keepdims=True), groups.max(axis=1, keepdims=True)
    step = (high - low) / (levels - 1)
    grid = low + np.round((groups - low) / step) * step
    return np.asarray(grid.reshape(values.shape), dtype=np.float16)


def stored(folder: Path, **arrays: NDArray[np.float16]) -> tuple[StoredTensor, ...]:
    write_tensors(folder / "model.safetensors", arrays)
    return read_header(folder / "model.safetensors")


def grid_of(folder: Path, **arrays: NDArray[np.float16]) -> WeightGrid | None:
    return scan_weights(
        stored(folder, **arrays),
        memory=folder / "scan.json",
        where="",
        on_progress=ignore_progress,
    )


@pytest.mark.parametrize(("levels", "group"), [(16, 32), (16, 128), (8, 32), (3, 64)])
def test_four_bits_and_fewer_are_noticed(tmp_path: Path, levels: int, group: int) -> None:
    (tensor,) = stored(tmp_path, w=rounded(trained(), levels, group))
    values = block_values(tensor)
    assert values is not None
    assert values.is_grid
    assert values.most <= levels


@pytest.mark.parametrize("levels", [32, 256])
def test_five_bits_and_more_are_not(tmp_path: Path, levels: int) -> None:
    (tensor,) = stored(tmp_path, w=rounded(trained(), levels, 128))
    values = block_values(tensor)
    assert values is not None
    assert not values.is_grid


def test_trained_weights_are_on_no_grid(tmp_path: Path) -> None:
    assert grid_of(tmp_path, a=trained(), b=trained()) is None


def test_most_matrices_decide_and_constant_ones_tell_nothing(tmp_path: Path) -> None:
    zeros = np.zeros((64, 128), dtype=np.float16)
    low = {name: rounded(trained(), 16, 32) for name in "ab"}
    assert grid_of(tmp_path, zeros=zeros) is None
    (tmp_path / "scan.json").unlink()
    grid = grid_of(tmp_path, **low, c=trained(), zeros=zeros)
    assert grid is not None
    assert (grid.on_grid, grid.matrices) == (2, 3)
    assert "2 of 3 matrices have at most 16 different values in every 32 neighbours" in str(grid)


def test_what_was_seen_is_remembered_and_an_older_memory_is_not_enough(tmp_path: Path) -> None:
    tensors = stored(tmp_path, w=rounded(trained(), 16, 32))
    memory = tmp_path / "scan.json"
    memory.write_text('{"nonfinite_tensors": []}')
    first = scan_weights(tensors, memory=memory, where="", on_progress=ignore_progress)
    (tmp_path / "model.safetensors").unlink()
    assert first is not None
    assert scan_weights(tensors, memory=memory, where="", on_progress=ignore_progress) == first
