"""`quantgate init`: from questions to a suite that can be checked, with traffic that holds none of it."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from quantgate.flows.cli.main import main
from quantgate.pipelines.specs.builds import BuildOverrides, load_build
from quantgate.pipelines.specs.recipes import DEFAULT_RECIPES
from quantgate.pipelines.suites.load import load_suite
from tests.support.project import PROJECT

TRAFFIC = PROJECT / "examples" / "support-desk" / "traffic" / "messages.jsonl"


def run(folder: Path, *arguments: str) -> Result:
    environment = {"QUANTGATE_STORE": str(folder / "store")}
    return CliRunner().invoke(main, list(arguments), env=environment)


def ok(folder: Path, *arguments: str) -> str:
    result = run(folder, *arguments)
    assert result.exit_code == 0, result.output
    return result.output


def table(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    sums = [(f"What is {n} plus {n + 3}?", str(2 * n + 3), "sums") for n in range(20)]
    calls = [
        (
            f"Weather in town{n}, please",
            json.dumps({"name": "weather", "arguments": {"in": n}}),
            "tools",
        )
        for n in range(20)
    ]
    return table(tmp_path / "q.csv", [("Question", "Answer", "Category"), *sums, *calls])


def test_a_column_of_answers_is_refused_where_rows_are_conversations(tmp_path: Path) -> None:
    result = run(tmp_path, "init", str(tmp_path / "mine"), "--from", str(TRAFFIC), "--answer", "id")
    assert result.exit_code == 2
    assert "--answer would be passed over" in result.output


def test_a_table_without_a_first_line_of_names_is_shown_in_short(tmp_path: Path) -> None:
    file = table(tmp_path / "q.csv", [("x" * 5000, "y"), ("a", "b")])
    result = run(tmp_path, "init", str(tmp_path / "mine"), "--from", str(file))
    assert result.exit_code == 2
    assert f"there are {'x' * 60}…, y" in result.output


def test_a_table_of_forty_questions_becomes_a_suite_that_can_be_judged_on(
    questions: Path, tmp_path: Path
) -> None:
    shown = ok(tmp_path, "init", str(tmp_path / "mine"), "--from", str(questions), "--model", "a/b")
    suite = load_suite(tmp_path / "mine" / "suite")
    assert (len(suite.items), suite.grader_kinds) == (40, ("number", "tool_call"))
    assert suite.items[20].expected == {"name": "weather", "arguments": {"in": 0}}
    assert [each.name for each in suite.slices] == ["sums", "tools"]
    assert "0 problems" in ok(tmp_path, "suite", "check", str(suite.folder))
    build = load_build(tmp_path / "mine" / "build.yaml", BuildOverrides(), DEFAULT_RECIPES)
    assert (build.name, build.model) == ("mine", "a/b")
    commands = [line.strip() for line in shown.partition("next:\n")[2].splitlines()]
    assert [line.split()[1] for line in commands] == ["suite", "quantize", "quantize"]


def test_traffic_of_a_chat_log_is_apart_from_its_suite(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    shown = ok(tmp_path, "init", str(folder), "--from", str(TRAFFIC), "--items", "60")
    assert "grader tool_call: 60 items" in shown
    suite = load_suite(folder / "suite")
    asked = {item.messages[-1].content for item in suite.items}
    lines = (folder / "traffic" / "messages.jsonl").read_text().splitlines()
    rows = [json.loads(line)["messages"] for line in lines]
    assert len(rows) > 1000
    assert asked & {messages[0]["content"] for messages in rows} == set()
    assert rows[0][-1]["content"].startswith('{"name":"')  # as it was logged
    assert yaml.safe_load((folder / "build.yaml").read_text())["corpus"] == "corpus.yaml"


def test_rows_close_to_an_item_are_left_out_of_the_traffic(tmp_path: Path) -> None:
    names = (
        "amber",
        "basil",
        "cedar",
        "dahlia",
        "elder",
        "fennel",
        "ginger",
        "hazel",
        "iris",
        "kale",
        "lemon",
    )
    sentences = [
        f"Please tell {one} about the {two} that {three} brought to {number} harbour yesterday"
        for number, (one, two, three) in enumerate(
            zip(names * 10, names[3:] * 12, names[7:] * 25, strict=False)
        )
    ]
    told = [f"By the way: {text}, if you would be so kind." for text in sentences]
    rows = [("prompt", "response"), *((text, "Done.") for text in (*sentences, *told))]
    questions = table(tmp_path / "t.csv", rows)
    shown = ok(tmp_path, "init", str(tmp_path / "x"), "--from", str(questions), "--items", "40")
    assert "too close to an item left out" in shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("frage,antwort\na,b\n", "no column is called like a question; there are frage, antwort"),
        ("question,answer\n,\n", "no row asks anything"),
    ],
)
def test_what_cannot_be_told_is_asked_for(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "q.csv").write_text(text)
    result = run(tmp_path, "init", str(tmp_path / "x"), "--from", str(tmp_path / "q.csv"))
    assert (result.exit_code, said in result.output) == (2, True), result.output
    assert not (tmp_path / "x").exists()


def test_columns_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("frage;antwort\nWas ist 2+2?;4\n")
    folder = tmp_path / "x"
    ok(tmp_path, "init", str(folder), "--from", str(tmp_path / "q.csv"),
       "--question", "frage", "--answer", "antwort")  # fmt: skip
    assert load_suite(folder / "suite").items[0].expected == "4"


def test_without_answers_items_are_drafts_and_the_check_says_so(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("question\nWhat is rain?\n")
    shown = ok(tmp_path, "init", str(tmp_path / "x"), "--from", str(tmp_path / "q.csv"))
    assert "no answer yet: 1 item" in shown
    checked = run(tmp_path, "suite", "check", str(tmp_path / "x" / "suite"))
    assert "a draft without an expectation" in checked.output


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    ok(tmp_path, "init", str(tmp_path / "x"))
    assert run(tmp_path, "init", str(tmp_path / "x")).exit_code == 2
