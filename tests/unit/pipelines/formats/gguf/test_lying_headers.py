"""Headers and configurations that lie about sizes are refused at once, in little memory."""

import json
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.gguf.header import read_gguf_header
from quantgate.pipelines.formats.safetensors import read_header
from quantgate.pipelines.hub.source import HubSettings
from tests.support.limits.time_limits import within
from tests.support.models.checkpoints import edit_json, write_checkpoint
from tests.unit.test_fuzzed_files import gguf

SECONDS = 10.0
MEMORY_BYTES = 64 << 20
TENSOR = {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}


def refusal(read: Any, argument: Any) -> str:
    tracemalloc.start()
    try:
        with within(SECONDS), pytest.raises(CheckpointError) as refused:
            read(argument)
        assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES
    finally:
        tracemalloc.stop()
    assert len(str(refused.value)) < 2_000
    return str(refused.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_hidden_layers", 10**12),
        ("num_hidden_layers", 10**300),
        ("hidden_size", 2**62),
        ("vocab_size", 10**18),
        ("max_position_embeddings", 10**15),
        ("max_position_embeddings", -1),
        ("num_hidden_layers", [[2]]),
    ],
)
def test_a_configuration_of_absurd_sizes_is_refused(tmp_path: Path, key: str, value: Any) -> None:
    folder = write_checkpoint(tmp_path / "model")
    edit_json(folder / "config.json", **{key: value})
    store = Store(root=tmp_path / "store")

    def resolve(source: str) -> object:
        return resolve_checkpoint(source, name=None, store=store, hub=HubSettings())

    assert key in refusal(resolve, str(folder))


@pytest.mark.parametrize(
    "header",
    [
        {"w": TENSOR | {"shape": [10**18] * 1000}},
        {"w": TENSOR | {"shape": [10**300]}},
        {"w": TENSOR | {"data_offsets": [10**300, 10**300 + 4]}},
        {"w": TENSOR | {"data_offsets": [-4, 0]}},
        {"w": TENSOR | {"dtype": "F" * 100_000}},
        {"w" * 100_000: TENSOR | {"dtype": "F15"}},
        {"w": [[[]]]},
    ],
)
def test_a_safetensors_header_that_lies_is_refused(tmp_path: Path, header: Any) -> None:
    text = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 4)
    assert "model.safetensors" in refusal(read_header, path)


@pytest.mark.parametrize(
    "text", [b"[" * 100_000, b'{"a":' * 100_000, b'{"w": 1, "w": 2}', b"\xff{}"]
)
def test_a_safetensors_header_that_is_no_json_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    assert "not valid JSON" in refusal(read_header, path)


def test_the_gguf_that_is_changed_here_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf())
    assert [tensor.name for tensor in read_gguf_header(path).tensors] == ["w"]


def array_of(kind: int, count: int, depth: int = 0) -> bytes:
    return struct.pack("<IQ", 9, 1) * depth + struct.pack("<IQ", kind, count)


@pytest.mark.parametrize(
    "rest",
    [
        struct.pack("<IQQ", 3, 2**60, 0),
        struct.pack("<IQQ", 3, 0, 2**60),
        struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**60),
        struct.pack("<IQQ", 3, 0, 1) + struct.pack("<QcI", 1, b"k", 9) + array_of(8, 2**60),
        struct.pack("<IQQ", 3, 0, 1) + struct.pack("<QcI", 1, b"k", 9) + array_of(10, 2**62),
        struct.pack("<IQQ", 3, 0, 1) + struct.pack("<QcI", 1, b"k", 9) + array_of(8, 1, depth=20_000),
        struct.pack("<IQQ", 3, 1, 0) + struct.pack("<QcI", 1, b"w", 2**32 - 1),
        struct.pack("<IQQ", 3, 1, 0) + struct.pack("<QcIQIQ", 1, b"w", 1, 2**63, 0, 2**63),
    ],
)  # fmt: skip
def test_a_gguf_header_that_lies_is_refused(tmp_path: Path, rest: bytes) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + rest)
    assert "model.gguf" in refusal(read_gguf_header, path)


@pytest.mark.parametrize("length", [1 << 40, (1 << 63) - 1, (1 << 64) - 1])
def test_a_vocabulary_whose_texts_end_behind_the_file_is_refused(
    tmp_path: Path, length: int
) -> None:
    texts = struct.pack("<Q", 1) + b"a" + struct.pack("<Q", length)
    listed = struct.pack("<Q", 6) + b"tokens" + struct.pack("<IIQ", 9, 8, 5000) + texts * 2500
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + listed)
    assert "GGUF header that is damaged" in refusal(read_gguf_header, file)


@pytest.mark.parametrize("version", [0, 1, 4, 3 << 24])
def test_a_gguf_of_a_version_that_nothing_here_reads_is_refused(
    tmp_path: Path, version: int
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<I", version) + gguf()[8:])
    refused = refusal(read_gguf_header, path)
    assert f"is of GGUF version {version}, and this reads 2 and 3" in refused
    assert "next: convert it anew" in refused
