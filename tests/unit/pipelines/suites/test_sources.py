"""Items from anything: csv, foreign JSON lines, tables that a child reads, and rows of public evaluations."""

import json
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InputError, ToolchainError
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.hub.table_source import TableSource
from quantgate.pipelines.suites.load import load_suite
from tests.support.real_rows import rows_file

HEAD = "name: demo\nversion: 1\ngrader: exact\ndecode: {max_tokens: 8}\n"


def write_suite(
    folder: Path, items: str, slices: str = "{easy: {}}", grader: str = "exact"
) -> Path:
    text = HEAD.replace("exact", grader) + f"slices: {slices}\nitems:\n{items}"
    (folder / "suite.yaml").write_text(text)
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_suite(folder)
    return str(caught.value)


def test_a_csv_is_read_with_its_columns_renamed(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(
        "\ufeffnr,question,answer,kind,tools\n"
        '7,"2+2,\nplease?",4,easy,"[{""name"": ""add""}]"\n8,3+3?,6,easy,\n'
    )
    suite = load_suite(
        write_suite(
            tmp_path,
            "  path: rows.csv\n  json_columns: [tools]\n"
            "  fields: {id: nr, prompt: question, expected: answer, slices: kind}\n",
        )
    )
    first = suite.items[0]
    assert (first.id, first.messages[0].content, first.expected) == ("7", "2+2,\nplease?", "4")
    assert first.tools == ({"name": "add"},)
    assert first.slices == ("easy",)


def test_objects_of_columns_constant_slices_and_row_numbers(tmp_path: Path) -> None:
    row = {"prompt": "write f", "test": "check(f)", "entry": {"point": "f"}, "licence": "MIT"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    suite = load_suite(
        write_suite(
            tmp_path,
            "  path: rows.jsonl\n  slices_for_all: [easy]\n  other_columns: ignore\n"
            "  fields: {expected: {tests: test, entry_point: entry.point}}\n",
        )
    )
    assert suite.items[0].expected == {"tests": "check(f)", "entry_point": "f"}
    assert (suite.items[0].id, suite.items[0].slices) == ("1", ("easy",))


def test_a_column_that_is_not_there_names_the_nearest_and_is_told_once(tmp_path: Path) -> None:
    rows = [{"task": n, "prompt": f"{n}?", "expected": "x", "slices": ["easy"]} for n in range(3)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = refusal(write_suite(tmp_path, "  path: rows.jsonl\n  fields: {id: tasks}\n"))
    assert "line 1 and 2 more: there is no column 'tasks' (did you mean 'task'?)" in text


def test_columns_that_become_nothing_are_refused_unless_said_otherwise(tmp_path: Path) -> None:
    row = {"id": "1", "prompt": "2+2?", "expectd": "4", "slices": ["easy"], "expected": "4"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    source = "  path: rows.jsonl\n  slices_for_all: [easy]\n"
    text = refusal(write_suite(tmp_path, source))
    assert "column 'expectd' becomes nothing (did you mean 'expected'?)" in text
    assert load_suite(write_suite(tmp_path, source + "  other_columns: ignore\n")).items


@pytest.mark.parametrize(
    ("items", "problem"),
    [
        ("  pth: rows.csv\n", "unknown key 'items.pth' (did you mean 'path'?)"),
        ("  path: rows.txt\n", "does not end in .jsonl, .csv, .parquet"),
        ("  path: rows.csv\n  hub: org/name@main\n", "either a path or a hub dataset"),
        ("  hub: name\n", "'name' is not org/name@revision"),
        ("  path: rows.csv\n  fields: {expected: {a: 1}}\n", "is the name of a column"),
        (
            "  path: rows.csv\n  fields: {promt: q}\n",
            "'items.fields.promt' (did you mean 'prompt'?)",
        ),
        ("  path: rows.csv\n  split: test\n", "split: of a hub dataset, and a file has none"),
        ("  path: rows.csv\n", "cannot be read"),
    ],
)
def test_a_source_that_cannot_be_meant_is_refused(tmp_path: Path, items: str, problem: str) -> None:
    assert problem in refusal(write_suite(tmp_path, items))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("id,prompt,expected,slices\n1,2+2?,4\n", "more or fewer cells than the first line"),
        ('id,prompt,expected,slices\n1,"2+2?,4,easy\n', "is not a sound csv"),
        ("id,prompt,expected,slices\n", "there are no items"),
    ],
)
def test_a_csv_that_is_torn_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / "rows.csv").write_text(content)
    assert problem in refusal(write_suite(tmp_path, "  path: rows.csv\n"))


def test_slices_that_the_suite_does_not_name_are_declared_or_ignored(tmp_path: Path) -> None:
    rows = [
        {"id": name, "prompt": f"{name}?", "expected": "x", "slices": ["easy", name]}
        for name in ("a", "b")
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = "  path: rows.jsonl\n"
    assert "slice 'a' is not in suite.yaml" in refusal(write_suite(tmp_path, source))
    declared = load_suite(write_suite(tmp_path, source + "  other_slices: declare\n"))
    assert [one.name for one in declared.slices] == ["easy", "a", "b"]
    ignored = load_suite(write_suite(tmp_path, source + "  other_slices: ignore\n"))
    assert {item.slices for item in ignored.items} == {("easy",)}
    lost = write_suite(tmp_path, source + "  other_slices: ignore\n", slices="{hard: {}}")
    assert "item 'a' is in no slice" in refusal(lost)


def test_a_table_is_asked_for_by_what_the_suite_file_says_and_its_nulls_are_dropped(
    tmp_path: Path,
) -> None:
    """Columnar tables give every row every key; a null is a key that the row lacks."""
    asked: list[TableSource] = []
    message = {"role": "user", "content": "2+2?", "name": None}
    row = {"id": 3, "messages": [message], "tools": None, "expected": None, "slices": ["easy"]}

    def read_table(source: TableSource) -> Path:
        asked.append(source)
        rows = tmp_path / "child.jsonl"
        rows.write_text(json.dumps(row) + "\n")
        return rows

    folder = write_suite(tmp_path, "  hub: org/name@v1\n  config: main\n  split: train\n")
    suite = load_suite(folder, read_table)
    assert asked == [TableSource(hub="org/name@v1", config="main", split="train")]
    assert (suite.items[0].id, suite.items[0].tools, suite.items[0].expected) == ("3", (), None)
    with pytest.raises(ToolchainError, match="child process"):
        load_suite(folder)


def test_the_digest_follows_content_and_not_where_items_come_from(tmp_path: Path) -> None:
    row = {"id": "1", "prompt": "2+2?", "expected": "4", "slices": ["easy"]}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "rows.csv").write_text("id,prompt,expected,slices\n1,2+2?,4,easy\n")
    lines = load_suite(write_suite(tmp_path, "  path: rows.jsonl\n"))
    cells = load_suite(write_suite(tmp_path, "  path: rows.csv\n"))
    assert lines.digest == cells.digest


REAL = [
    ("bfcl", "bfcl", "", 1688),
    ("gsm8k_test", "number", "", 1319),
    ("mgsm", "number", "", 1980),
    ("humaneval", "exact", "  fields: {expected: {tests: test, entry_point: entry_point}}\n", 164),
    ("xstest", "refusal", "", 450),
    ("bipia", "injection", "", 275),
]


@pytest.mark.parametrize(("name", "grader", "fields", "count"), REAL)
def test_rows_of_public_evaluations_load_as_they_are(
    tmp_path: Path, name: str, grader: str, fields: str, count: int
) -> None:
    suite = real_suite(tmp_path, name, grader, fields)
    assert len(suite.items) == count
    assert all(item.slices and item.messages[0].content for item in suite.items)


def real_suite(folder: Path, name: str, grader: str, fields: str) -> Suite:
    source = f"  path: {rows_file(name)}\n  other_columns: ignore\n  other_slices: declare\n"
    return load_suite(write_suite(folder, source + fields, slices="{}", grader=grader))
