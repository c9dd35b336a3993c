"""Sources as they come: tables, bad bytes, endless lines, wrong columns. One error, with file and row."""

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from quantgate.calibration.drawing.parts import ScanCall, SourcePart
from quantgate.calibration.drawing.scanning import scan
from quantgate.calibration.resources import BuildResources
from quantgate.calibration.shelf.assemble import build_corpus
from quantgate.calibration.shelf.sealing import read_card, read_sequences
from quantgate.calibration.sources.local import LocalSource, local_sources, refuse_changed
from quantgate.calibration.sources.readers import RowNumbers, rows
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.errors import InputError, ToolchainError
from quantgate.pipelines.files.hashing import DigestMemory
from quantgate.pipelines.files.reading import LONGEST_LINE_BYTES
from quantgate.pipelines.files.store import Store
from tests.support.children.in_process import InProcess
from tests.support.corpora import chat_rows, spec_of, write_rows


def build(folder: Path, store: Store, text: str, part_bytes: int = 1 << 20) -> Corpus:
    here = BuildResources(store=store, run_worker=InProcess(), part_bytes=part_bytes)
    return build_corpus(spec_of(folder, text), store, here)


def refusal(folder: Path, store: Store, text: str, part_bytes: int = 1 << 20) -> str:
    with pytest.raises(InputError) as caught:
        build(folder, store, text, part_bytes)
    assert not list(store.corpora("demo").glob("[0-9]*"))
    return str(caught.value)


def one(path: str, more: str = "") -> str:
    return f"sequences: 1\nsources: [{{path: {path}{more}}}]\n"


def test_parquet_is_read_by_row_groups_as_the_same_rows_in_json_lines(
    tmp_path: Path, store: Store
) -> None:
    made = chat_rows(300)
    write_rows(tmp_path / "a.jsonl", made)
    table = pyarrow.Table.from_pylist(made)
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=40)
    lines = build(tmp_path, Store(root=store.root / "1"), one("a.jsonl").replace("1", "50", 1))
    for part_bytes in (2000, 1 << 20):
        here = Store(root=store.root / str(part_bytes))
        found = build(tmp_path, here, one("a.parquet").replace("1", "50", 1), part_bytes)
        assert found.digest == lines.digest
        assert [s.id for s in read_sequences(found)] == [s.id for s in read_sequences(lines)]


def test_values_that_json_lacks_become_text(tmp_path: Path, store: Store) -> None:
    from datetime import date

    table = pyarrow.table(
        {"text": ["a long enough text"], "domain": [date(2026, 1, 2)], "score": [float("nan")]}
    )
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert read_sequences(build(tmp_path, store, one("a.parquet")))[0].domain == "2026-01-02"


def test_parquet_needs_a_child(tmp_path: Path, store: Store) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"text": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(ToolchainError, match="child process"):
        build_corpus(spec_of(tmp_path, one("a.parquet")), store)


@pytest.mark.parametrize("damage", ["cut", "no parquet", "flipped"])
def test_a_broken_parquet_file_is_named(tmp_path: Path, store: Store, damage: str) -> None:
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"text": [str(n) * 50 for n in range(5000)]}), path)
    whole = path.read_bytes()
    path.write_bytes(
        {"cut": whole[:-200], "no parquet": b"text", "flipped": b"\xff" * 3000 + whole[3000:]}[
            damage
        ]
    )
    assert "a.parquet: is not a sound parquet file" in refusal(tmp_path, store, one("a.parquet"))


def test_a_csv_is_read_with_its_line_breaks_and_json(tmp_path: Path, store: Store) -> None:
    (tmp_path / "a.csv").write_text(
        '\ufeffq,r,extra\n"first\nline",yes,"{""k"": 1}"\nsecond,no,\n', encoding="utf-8"
    )
    text = one("a.csv", ", fields: {prompt: q, response: r}, json_columns: extra").replace(
        "1", "2", 1
    )
    corpus = build(tmp_path, store, text)
    said = {s.id: [m.content for m in s.messages] for s in read_sequences(corpus)}
    assert said == {"a:1": ["first\nline", "yes"], "a:2": ["second", "no"]}


def test_rows_without_an_id_have_the_number_of_their_line(tmp_path: Path, store: Store) -> None:
    (tmp_path / "a.txt").write_text("one text\n\nanother text\r\na third\n")
    corpus = build(tmp_path, store, one("a.txt").replace("1", "3", 1), part_bytes=4)
    assert {s.id: s.text for s in read_sequences(corpus)} == {
        "a:1": "one text",
        "a:3": "another text",
        "a:4": "a third",
    }


@pytest.mark.parametrize("part_bytes", [40, 1 << 20])
@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"text": "\xff\xfe"}', "line 4: is not UTF-8 text (byte 11 of the line)"),
        (b"{broken", "line 4: is not valid JSON"),
        (b"[1]", "line 4: is not a JSON object"),
        (b'{"messages": 3}', "line 4: messages are no list but a number"),
        (b'{"text": NaN}', "line 4: is not valid JSON"),
        (b'{"text": "\\ud800"}', "line 4: is not valid JSON"),
        (b'{"text": "a\x00b"}', "line 4: is not valid JSON"),
    ],
)
def test_a_broken_line_is_named_whatever_part_it_is_in(
    tmp_path: Path, store: Store, line: bytes, problem: str, part_bytes: int
) -> None:
    good = b'{"text": "a good text"}\n'
    (tmp_path / "a.jsonl").write_bytes(good + good + b"\n" + line + b"\n" + good)
    found = refusal(tmp_path, store, one("a.jsonl"), part_bytes)
    assert problem in found
    assert str(tmp_path / "a.jsonl") in found
    assert "broken_rows: skip" in found


def test_broken_rows_can_be_skipped_and_are_counted(tmp_path: Path, store: Store) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "a good text"}\n{broken\n\xff\n')
    card = read_card(build(tmp_path, store, one("a.jsonl") + "broken_rows: skip\n"))
    assert card is not None
    assert card.dropped == {"broken": 2}


@pytest.mark.parametrize("part_bytes", [1 << 20, 64 << 20])
def test_a_line_that_never_ends_is_refused_without_reading_it_whole(
    tmp_path: Path, store: Store, part_bytes: int
) -> None:
    import tracemalloc

    with (tmp_path / "a.jsonl").open("wb") as file:
        file.write(b'{"text": "a good text"}\n')
        file.seek(10 * LONGEST_LINE_BYTES)  # a hole of zeros takes no disk
        file.write(b"\n")
    tracemalloc.start()
    found = refusal(tmp_path, store, one("a.jsonl"), part_bytes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "line 2 is longer than 16 MiB" in found
    assert peak < 4 * LONGEST_LINE_BYTES + (1 << 20)


def test_utf_16_is_called_by_its_name(tmp_path: Path, store: Store) -> None:
    (tmp_path / "a.txt").write_bytes("a text".encode("utf-16"))
    assert "is UTF-16 text" in refusal(tmp_path, store, one("a.txt"))


def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path: Path, store: Store) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"text": "a good text"}\n')
    assert read_sequences(build(tmp_path, store, one("a.jsonl")))[0].text == "a good text"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (
            "fields: {text: bdy}",
            "no row has a column 'bdy' (did you mean 'body'?); row 1 has body, topic",
        ),
        (
            "fields: {text: body, domain: topik}",
            "no row has a column 'topik' (did you mean 'topic'?)",
        ),
        ("", "no rows with content; row 1 has body, topic"),
    ],
)
def test_a_wrong_column_is_named_with_the_one_that_was_meant(
    tmp_path: Path, store: Store, source: str, problem: str
) -> None:
    write_rows(tmp_path / "a.jsonl", [{"body": "a good text", "topic": "x"}])
    assert problem in refusal(tmp_path, store, one("a.jsonl", f", {source}" if source else ""))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"\n\n", "no rows with content"),
        (b'{"text": " "}\n', "no rows with content"),
    ],
)
def test_an_empty_source_is_named(
    tmp_path: Path, store: Store, content: bytes, problem: str
) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    write_rows(tmp_path / "b.jsonl", chat_rows(5))
    text = "sequences: 1\nsources: [{path: a.jsonl}, {path: b.jsonl}]\n"
    found = refusal(tmp_path, store, text)
    assert problem in found
    assert "a.jsonl" in found


def test_a_source_that_cannot_be_opened_is_named(tmp_path: Path, store: Store) -> None:
    assert "cannot be read (No such file or directory)" in refusal(tmp_path, store, one("no.jsonl"))
    (tmp_path / "folder.jsonl").mkdir()
    assert "is a folder" in refusal(tmp_path, store, one("folder.jsonl"))


def test_a_source_that_changes_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", chat_rows(5))
    memory = DigestMemory(tmp_path / "digests.json")
    source = local_sources(spec_of(tmp_path, one("a.jsonl")), memory, None)[0]
    refuse_changed(source)
    path.write_text(path.read_text() + "\n")
    with pytest.raises(InputError, match="was changed while it was read"):
        refuse_changed(source)


def test_every_line_is_in_exactly_one_part(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"a\nbb\n\nccc\r\ndddd\n" + b"e" * 30 + b"\nf")
    size = path.stat().st_size
    whole = [(place, row) for place, row in rows(path, "txt", 0, size)]
    for step in range(1, size + 1):
        found = []
        for start in range(0, size, step):
            found += list(rows(path, "txt", start, min(start + step, size)))
        assert found == whole, step


def test_row_numbers_count_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"a\n\n\nb\n")
    numbers = RowNumbers(path, "txt")
    assert [numbers.of(0), numbers.of(4)] == [1, 4]


def test_memory_for_candidates_is_bounded_by_what_is_asked_for(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.jsonl", [{"text": f"text number {n}"} for n in range(3000)])
    spec = spec_of(tmp_path, one("a.jsonl"))
    source = local_sources(spec, DigestMemory(tmp_path / "d.json"), None)[0]
    part = SourcePart(source=0, start=0, end=source.size_bytes, size_bytes=source.size_bytes)
    call = ScanCall(spec=spec, source=source, part=part, sequences=10, factor=1, folder=tmp_path)
    scanned = scan(call)
    assert [(c.candidates, c.cut) for c in scanned.cells] == [(84, True)]
    assert scanned.rows == 3000


def test_requests_are_json_and_say_nothing_else(tmp_path: Path) -> None:
    from quantgate.pipelines.files.records import from_json, to_json

    write_rows(tmp_path / "a.jsonl", chat_rows(3))
    spec = spec_of(tmp_path, one("a.jsonl") + "mix: {length: {0-200: 0.1, 200-: 0.3}}\n")
    source = local_sources(spec, DigestMemory(tmp_path / "d.json"), None)[0]
    assert from_json(LocalSource, json.loads(json.dumps(to_json(source)))) == source
