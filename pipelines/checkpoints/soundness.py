"""What a checkpoint's weights show: found out once for each weights digest and remembered.

Whether they are finite, which takes a look at every value, and whether they were quantized before, which a
few samples of each matrix tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.checkpoint import WeightGrid
from quantgate.pipelines.domain.errors import CheckpointError, InputError
from quantgate.pipelines.files.records import read_record, write_record
from quantgate.pipelines.formats.grids import BLOCK, block_values
from quantgate.pipelines.formats.nonfinite import nonfinite_tensors
from quantgate.pipelines.formats.safetensors import StoredTensor
from quantgate.pipelines.process.calls import OnProgress, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightScan:
    """What stands in a file for these very weights; `grid` is None where most matrices are on none."""

    nonfinite_tensors: tuple[str, ...]
    grid: WeightGrid | None


def scan_weights(
    tensors: Sequence[StoredTensor], *, memory: Path, where: str, on_progress: OnProgress
) -> WeightGrid | None:
    """Scan all values for NaN and infinity, unless `memory` (a file for these very weights) knows already.

    Returns the grid that most matrices are on, None where that is none.

    Raises:
        CheckpointError: naming the first tensor that is not finite.
    """
    scan = _remembered(memory)
    if scan is None:
        scan = WeightScan(nonfinite_tensors=_nonfinite(tensors, on_progress), grid=_grid(tensors))
        write_record(memory, scan)
    if scan.nonfinite_tensors:
        raise CheckpointError(
            f"{len(scan.nonfinite_tensors)} of {len(tensors)} tensors hold NaN or infinity, the first is "
            f"{scan.nonfinite_tensors[0]}",
            where=where,
            next_step="use another revision; quantizing would save the damage without a word",
        )
    return scan.grid


def _nonfinite(tensors: Sequence[StoredTensor], on_progress: OnProgress) -> tuple[str, ...]:
    nonfinite: list[str] = []
    total, done = sum(tensor.size_bytes for tensor in tensors), 0
    for tensor in tensors:
        on_progress(Progress(done=done, total=total, what="looking for NaN in the weights"))
        nonfinite += nonfinite_tensors([tensor])
        done += tensor.size_bytes
    return tuple(nonfinite)


def _grid(tensors: Sequence[StoredTensor]) -> WeightGrid | None:
    samples = [sample for tensor in tensors if (sample := block_values(tensor)) is not None]
    on_grid = [sample.most for sample in samples if sample.is_grid]
    if 2 * len(on_grid) <= len(samples):
        return None
    return WeightGrid(on_grid=len(on_grid), matrices=len(samples), values=max(on_grid), block=BLOCK)


def _remembered(memory: Path) -> WeightScan | None:
    """Return what was found before; None where that was nothing, or an earlier version looked at less."""
    try:
        return read_record(WeightScan, memory)
    except InputError:
        return None
