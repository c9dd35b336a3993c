"""A name that stands twice loses one of its values: refused with its place, in every kind of file."""

import json
import struct
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from quantgate.calibration.sources.readers import fetch, rows
from quantgate.calibration.sources.rows import RowReader
from quantgate.calibration.specs.corpus import Fields
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.errors import CheckpointError, InputError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.gguf.header import read_gguf_header
from quantgate.pipelines.formats.safetensors import read_header
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.hub.table_messages import TableRowsCall
from quantgate.pipelines.hub.workers.table_rows import write_rows
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.specs.chat_messages import BrokenRowError
from quantgate.pipelines.suites.messages import MessageSpec
from tests.support.corpora import sample, spec_of
from tests.support.models.checkpoints import write_checkpoint

SPEC = "sequences: 1\nsources: [{path: rows.jsonl}]\n"
TWICE = '{"text": "a", "text": "b"}'
CALLED: JsonObject = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"function": {"name": "f", "arguments": '{"city": "Ulm", "city": "Bonn"}'}}],
}


@pytest.mark.parametrize(
    "line",
    [
        TWICE,
        '{"text" : "a", "text"\t: "b"}',
        '{"text": "a", "\\u0074ext": "b"}',
        '{"text": "a", "meta": [{"text": 1, "b": 2, "text": 3}]}',
    ],
)
def test_a_row_of_a_corpus_names_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"text": "a good text"}}\n\n{line}\n')
    with pytest.raises(
        InputError, match=r"line 3: is not valid JSON: key 'text' stands here twice"
    ):
        sample(spec_of(tmp_path, SPEC))


def test_what_only_looks_like_a_key_is_none(tmp_path: Path) -> None:
    made = [
        {"text": '"text": "text": \\"text\\": '},
        {"text": ':"', "more": [{"text": 1}, {"text": 2}], "\\": 1, '\\"': 2},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in made))
    found = list(rows(path, "jsonl", 0, 1 << 20))
    assert [row for _, row in found] == made
    assert list(fetch(path, "jsonl", [place for place, _ in found])) == made


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" * 400])
def test_a_number_that_no_program_holds_is_refused_in_a_row(tmp_path: Path, number: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"text": "a", "score": {number}}}\n')
    with pytest.raises(InputError, match=r"line 1: is not valid JSON: .* is no number"):
        sample(spec_of(tmp_path, SPEC))


@pytest.mark.parametrize(
    ("row", "json_columns", "sentence"),
    [
        ({"messages": [CALLED]}, (), "arguments of a call: key 'city' stands here twice"),
        ({"text": "a", "tools": f"[{TWICE}]"}, (), "tools is not JSON: key 'text' stands"),
        ({"chat": TWICE, "text": "a"}, ("chat",), "chat is not JSON: key 'text' stands"),
        ({"request": TWICE}, (), "request is not JSON: key 'text' stands here twice"),
    ],
)
def test_json_inside_of_a_row_is_read_as_strictly(
    row: JsonObject, json_columns: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(BrokenRowError) as refused:
        RowReader(Fields(), json_columns, "chat").read(row)
    assert sentence in str(refused.value)


def test_arguments_of_a_call_in_a_suite_are_read_as_strictly() -> None:
    with pytest.raises(ValueError, match="arguments of a call: key 'city' stands here twice"):
        MessageSpec.model_validate(CALLED)


def doubled(nested: bool) -> "pyarrow.Table":
    cells = [pyarrow.array(["a"]), pyarrow.array(["b"])]
    if not nested:
        return pyarrow.Table.from_arrays(cells, names=["text", "text"])
    parts = pyarrow.StructArray.from_arrays(cells, names=["role", "role"])
    return pyarrow.Table.from_arrays([pyarrow.array([[]], pyarrow.list_(parts.type))], ["messages"])


@pytest.mark.parametrize(("nested", "column"), [(False, "text"), (True, "messages.*role")])
def test_a_column_of_a_parquet_file_stands_there_once(
    tmp_path: Path, nested: bool, column: str
) -> None:
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(doubled(nested), path)
    sentence = f"rows.parquet: column '{column}' stands here twice"
    with pytest.raises(InputError, match=sentence):
        list(rows(path, "parquet", 0, 1))
    with pytest.raises(InputError, match=sentence):
        write_rows(TableRowsCall(parquet=path, output=tmp_path / "out.jsonl"), ignore_progress)


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "model.safetensors.index.json",
    ],
)
def test_a_checkpoint_with_a_key_twice_is_refused_while_planning(tmp_path: Path, name: str) -> None:
    folder = write_checkpoint(tmp_path / "model")
    path = folder / name
    rest = path.read_text().strip()[1:] if path.is_file() else "}"
    path.write_text('{"twice": 1,\n"twice": 2' + ("" if rest == "}" else ",") + rest)
    with pytest.raises(CheckpointError, match=f"{name}: .*line 2: key 'twice' stands here twice"):
        resolve_checkpoint(
            str(folder), name=None, store=Store(root=tmp_path / "store"), hub=HubSettings()
        )


def test_a_tensor_stands_once_in_a_safetensors_header(tmp_path: Path) -> None:
    tensor = '"w": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}'
    header = f"{{{tensor}, {tensor}}}".encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(CheckpointError, match="key 'w' stands here twice"):
        read_header(path)


def named(name: bytes) -> bytes:
    return struct.pack("<Q", len(name)) + name


@pytest.mark.parametrize(
    ("keys", "tensors", "sentence"),
    [
        ([b"a.b", b"a.b"], [b"w"], "has the metadata key 'a.b' twice"),
        ([b"a.b"], [b"w", b"v", b"w"], "has the tensor 'w' twice"),
    ],
)
def test_a_key_and_a_tensor_stand_once_in_a_gguf_header(
    tmp_path: Path, keys: list[bytes], tensors: list[bytes], sentence: str
) -> None:
    pairs = b"".join(named(key) + struct.pack("<II", 4, 1) for key in keys)
    entries = b"".join(named(name) + struct.pack("<IQIQ", 1, 8, 0, 0) for name in tensors)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + pairs + entries
    path = tmp_path / "model.gguf"
    path.write_bytes(head + bytes(64))
    with pytest.raises(CheckpointError, match=sentence):
        read_gguf_header(path)
