"""`quantgate corpus …`: what it prints, in words and as JSON, and its exit codes."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from quantgate.flows.cli.main import main
from tests.support.corpora import chat_rows, write_rows
from tests.support.fakes import write_tokenizer

SPEC = "name: demo\ndescription: A demo.\nlicence: CC0\nsequences: 20\nsources: [{path: a.jsonl}]\n"


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        main, ["corpus", *arguments], env={"QUANTGATE_STORE": str(folder / "store")}
    )


def ok(folder: Path, *arguments: str) -> str:
    result = run(folder, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def lines(text: str, name: str) -> list[list[str]]:
    """Rows of one section of plain output."""
    split = [line.split("\t") for line in text.splitlines()]
    return [cells[1:] for cells in split if cells[0] == name]


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    write_rows(tmp_path / "a.jsonl", chat_rows(60))
    path = tmp_path / "demo.yaml"
    path.write_text(SPEC)
    return path


def rebuilt(spec: Path, rows: Sequence[int]) -> None:
    write_rows(spec.parent / "a.jsonl", [chat_rows(60)[n] for n in rows])
    ok(spec.parent, "build", str(spec))


def test_build_prints_the_card(spec: Path) -> None:
    found = ok(spec.parent, "build", str(spec))
    facts = dict(lines(found, "corpus"))
    assert (facts["name"], facts["sequences"], facts["licence"]) == ("demo@1", "20", "CC0")
    assert ["in the corpus", "20"] in lines(found, "rows")
    assert sum(int(row[1]) for row in lines(found, "language")) == 20


def test_build_as_json_is_nothing_but_json(spec: Path) -> None:
    found = json.loads(ok(spec.parent, "build", str(spec), "--json"))
    assert (found["corpus"], found["card"]["sequences"]) == ("demo@1", 20)
    assert found["record"]["digest"] == found["card"]["digest"]


def test_tokens_of_a_model_are_counted_beside_the_seal(spec: Path) -> None:
    folder = spec.parent
    model = folder / "model"
    model.mkdir()
    write_tokenizer(model)
    found = ok(folder, "build", str(spec), "--model", str(model))
    total = int(lines(found, "tokens")[0][1].replace(",", ""))
    assert total > 20
    assert lines(ok(folder, "show", "demo"), "tokens") == lines(found, "tokens")
    ok(folder, "export", "demo", "--to", str(folder / "out.jsonl"), "--model", str(model))
    rows = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert len(rows) == 20
    assert all("Soon." in row["text"] and set(row) == {"id", "text"} for row in rows)


def test_list_names_every_version_and_whether_it_is_sound(spec: Path) -> None:
    assert ok(spec.parent, "list") == ""
    rebuilt(spec, range(60))
    rebuilt(spec, range(30))
    assert [row[0] for row in lines(ok(spec.parent, "list"), "corpora")] == ["demo@1", "demo@2"]
    sealed = spec.parent / "store" / "corpora" / "demo" / "1" / "sequences.jsonl"
    sealed.write_text(sealed.read_text() + "{}\n")
    found = json.loads(ok(spec.parent, "list", "--json"))["corpora"]
    assert found[0]["state"].startswith("ALTERED")
    assert found[1]["state"] == "sound"


def test_diff_says_what_was_added_removed_and_kept(spec: Path) -> None:
    rebuilt(spec, range(30))
    rebuilt(spec, [*range(10, 40)])
    found = json.loads(ok(spec.parent, "diff", "demo@1", "demo@2", "--json"))
    assert found["kept"] + len(found["removed"]) == 20 == found["kept"] + len(found["added"])
    assert found["added"] and not found["same_digest"]
    assert found["schema"] == "quantgate.corpus-diff/1"
    changes = [c for c in found["changes"] if c["dimension"] == "language"]
    assert sum(c["before"] for c in changes) == sum(c["after"] for c in changes) == 20
    same = ok(spec.parent, "diff", "demo@1", "demo@1")
    assert lines(same, "sequences") == [
        ["added", "0", ""],
        ["removed", "0", ""],
        ["kept", "20", "same content"],
    ]


def test_export_writes_the_sealed_lines(spec: Path) -> None:
    rebuilt(spec, range(60))
    ok(spec.parent, "export", "demo@1", "--to", str(spec.parent / "out.jsonl"))
    sealed = spec.parent / "store" / "corpora" / "demo" / "1" / "sequences.jsonl"
    assert (spec.parent / "out.jsonl").read_bytes() == sealed.read_bytes()


@pytest.mark.parametrize(
    "command", [("show", "demo"), ("diff", "demo", "demo"), ("export", "demo", "--to", "out")]
)
def test_an_altered_corpus_is_not_used(spec: Path, command: tuple[str, ...]) -> None:
    rebuilt(spec, range(60))
    sealed = spec.parent / "store" / "corpora" / "demo" / "1" / "sequences.jsonl"
    sealed.write_text(sealed.read_text().replace("Soon", "Late"))
    result = run(spec.parent, *command)
    assert result.exit_code == 2
    assert "altered" in result.stderr
    assert not (spec.parent / "out").exists()


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("dmeo", "did you mean 'demo'"),
        ("demo@7", "no version '7'; it has 1"),
        ("x@1", "no corpus 'x'"),
    ],
)
def test_a_name_that_is_not_there_is_not_found(spec: Path, reference: str, problem: str) -> None:
    rebuilt(spec, range(60))
    result = run(spec.parent, "show", reference)
    assert result.exit_code == 12
    assert problem in result.stderr


def test_an_export_that_cannot_be_written_leaves_nothing(spec: Path) -> None:
    rebuilt(spec, range(60))
    result = run(spec.parent, "export", "demo", "--to", str(spec.parent / "no" / "out.jsonl"))
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_a_wrong_spec_ends_with_its_line_and_no_traceback(spec: Path) -> None:
    spec.write_text(SPEC.replace("sequences", "sequence"))
    result = run(spec.parent, "build", str(spec))
    assert result.exit_code == 2
    assert "unknown key 'sequence' (did you mean 'sequences'?)" in result.stderr
    assert "Traceback" not in result.output


def test_a_damaged_version_does_not_hide_the_others_from_the_list(spec: Path) -> None:
    rebuilt(spec, range(40))
    rebuilt(spec, range(20, 60))
    manifest = spec.parent / "store" / "corpora" / "demo" / "1" / "manifest.json"
    manifest.write_text("{")

    result = run(spec.parent, "list")

    assert result.exit_code == 0
    assert [row[0] for row in lines(result.stdout, "corpora")] == ["demo@2"]
    assert "left out:" in result.stderr
    assert str(manifest) in result.stderr
