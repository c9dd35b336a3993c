"""Whether a checkpoint's weights are finite, found out once for each weights digest and remembered."""

import json
from collections.abc import Sequence
from pathlib import Path

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.files.records import write_text
from quantgate.pipelines.formats.nonfinite import nonfinite_tensors
from quantgate.pipelines.formats.safetensors import StoredTensor
from quantgate.pipelines.process.calls import OnProgress, Progress


def refuse_nonfinite(
    tensors: Sequence[StoredTensor], *, memory: Path, where: str, on_progress: OnProgress
) -> None:
    """Scan all values for NaN and infinity, unless `memory` (a file for these very weights) knows already.

    Raises:
        CheckpointError: naming the first tensor that is not finite.
    """
    nonfinite = _remembered(memory)
    if nonfinite is None:
        nonfinite = _scan(tensors, on_progress)
        write_text(memory, json.dumps({"nonfinite_tensors": nonfinite}))
    if nonfinite:
        raise CheckpointError(
            f"{len(nonfinite)} of {len(tensors)} tensors hold NaN or infinity, the first is {nonfinite[0]}",
            where=where,
            next_step="use another revision; quantizing would save the damage without a word",
        )


def _scan(tensors: Sequence[StoredTensor], on_progress: OnProgress) -> list[str]:
    nonfinite: list[str] = []
    total, done = sum(tensor.size_bytes for tensor in tensors), 0
    for tensor in tensors:
        on_progress(Progress(done=done, total=total, what="looking for NaN in the weights"))
        nonfinite += nonfinite_tensors([tensor])
        done += tensor.size_bytes
    return nonfinite


def _remembered(memory: Path) -> list[str] | None:
    try:
        content = json.loads(memory.read_text(encoding="utf-8"))
        names = content["nonfinite_tensors"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return [str(name) for name in names] if isinstance(names, list) else None
