"""A checkpoint's weights written in files of two gigabytes, one tensor in memory at a time.

Format: `model.safetensors`, or `model-00001-of-0000N.safetensors` with the index that says where each tensor
stands, as transformers writes them.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from quantgate.pipelines.files.records import write_text
from quantgate.pipelines.formats.arrays import PendingTensor, write_pending
from quantgate.pipelines.formats.safetensors import INDEX_FILE, SINGLE_FILE

_SHARD_BYTES = 2_000_000_000


def write_sharded(
    folder: Path, weights: Sequence[PendingTensor], on_bytes: Callable[[int, int], None]
) -> None:
    """Write weights into a folder; `on_bytes` is told how many bytes of how many are there, file by file.

    Raises:
        ValueError: where a tensor's bytes are not those of its shape; else whatever `content` raises.
    """
    shards = _shards(weights)
    names = [
        f"model-{number:05d}-of-{len(shards):05d}.safetensors" if len(shards) > 1 else SINGLE_FILE
        for number in range(1, len(shards) + 1)
    ]
    total, done = sum(weight.size_bytes for weight in weights), 0
    for name, shard in zip(names, shards, strict=True):
        on_bytes(done, total)
        write_pending(folder / name, shard)
        done += sum(weight.size_bytes for weight in shard)
    if len(shards) > 1:
        places = {
            weight.name: name for name, shard in zip(names, shards, strict=True) for weight in shard
        }
        index = {"metadata": {"total_size": total}, "weight_map": places}
        write_text(folder / INDEX_FILE, json.dumps(index))


def _shards(weights: Sequence[PendingTensor]) -> list[list[PendingTensor]]:
    shards: list[list[PendingTensor]] = [[]]
    size = 0
    for weight in weights:
        if shards[-1] and size + weight.size_bytes > _SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(weight)
        size += weight.size_bytes
    return shards
