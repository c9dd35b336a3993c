"""What `quantgate suite check` finds: every problem at once, with its line, and what slices can prove."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tokenizers import Tokenizer

from quantgate.flows.cli.main import main
from quantgate.flows.cli.views.rendering import plain_lines, show_on
from quantgate.flows.cli.views.suite import suite_blocks
from quantgate.pipelines.authoring.check import SuiteReport, check_suite
from quantgate.pipelines.authoring.duplicates import duplicates
from quantgate.pipelines.authoring.fit import ModelView
from quantgate.pipelines.domain.suites.suite import Item, Message
from quantgate.pipelines.evaluation.chat import ChatFormat
from tests.support.fakes import write_tokenizer

SUITE = """\
name: demo
version: 1
grader: exact
decode: {max_tokens: 8}
slices:
  easy: {}
  tail: {}
"""
TOPICS = ["harbour", "meadow", "lantern", "orchard", "glacier", "violin", "kettle", "comet"]
REFUSING = "{% if messages|length > 1 %}{{ raise_exception('one turn only') }}{% endif %}"


def rows(
    count: int, slices: tuple[str, ...] = ("easy",), first: int = 0
) -> list[dict[str, object]]:
    return [
        {
            "id": f"{slices[0]}-{n}",
            "prompt": f"{TOPICS[n % 8]} {n} {TOPICS[n // 8 % 8]}?",
            "expected": "x",
            "slices": list(slices),
        }
        for n in range(first, first + count)
    ]


def write(folder: Path, items: list[dict[str, object]], suite: str = SUITE) -> Path:
    (folder / "suite.yaml").write_text(suite)
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in items))
    return folder


def check(folder: Path, model: ModelView | None = None, policy: Path | None = None) -> SuiteReport:
    return check_suite(folder, policy_file=policy, model=model, read_table=None)


def told(report: SuiteReport) -> list[str]:
    return list(plain_lines(suite_blocks(report)))


def model_view(folder: Path, context: int, template: str = "") -> ModelView:
    folder.mkdir()
    write_tokenizer(folder, template) if template else write_tokenizer(folder)
    return ModelView(source="m", chat=ChatFormat.of(folder), context_length_tokens=context)


def test_a_slice_says_what_it_can_prove_and_what_it_lacks(tmp_path: Path) -> None:
    """0.05 ** (1 / 24) = 0.8827: no break in 24 items still allows 11.7 %; 29 items allow 9.8 %."""
    report = check(write(tmp_path, [*rows(29), *rows(24, ("tail",), first=100)]))
    lines = told(report)
    assert (
        "slice tail: 24 items; no break at all would still allow 11.7 %: unproven; "
        "add 5 to be able to pass" in lines
    )
    assert "slice easy: 29 items; passes only without a break (9.9 % allowed, limit 10 %)" in lines
    assert report.exit_code == 0, "a slice that cannot prove itself is a note"


def test_a_policy_that_asks_every_slice_makes_a_small_one_a_problem(tmp_path: Path) -> None:
    folder = write(tmp_path, [*rows(29), *rows(24, ("tail",), first=100)])
    policy = tmp_path / "policy.yaml"
    policy.write_text("require_all_slices: true\n")
    assert [one.text[:5] for one in check(folder, policy=policy).problems] == ["tail:"]
    policy.write_text("critical_slices: [tial]\n")
    assert (
        "'tial' is not in suite 'demo' (did you mean 'tail'?)"
        in check(folder, policy=policy).problems[0].text
    )


def test_a_suite_too_small_as_a_whole_is_a_problem(tmp_path: Path) -> None:
    report = check(write(tmp_path, [*rows(5), *rows(5, ("tail",), first=100)]))
    assert report.exit_code == 2
    assert report.problems[0].text.startswith("all: 10 items; no break at all would still allow")


def test_items_of_a_group_prove_as_little_as_in_a_verdict(tmp_path: Path) -> None:
    items = [row | {"group": f"g{n % 6}"} for n, row in enumerate(rows(60))]
    report = check(write(tmp_path, items, SUITE.replace("  tail: {}\n", "")))
    assert not report.slices[0].can_pass, "six groups of ten are six pieces of evidence"
    assert report.slices[0].text.startswith("all: 60 items in 6 groups; no break")


def test_every_problem_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    items = rows(40)
    items[3] = {"id": "a", "prompt": "?", "expectd": "x", "slices": ["easy"]}
    items[5]["expected"] = 7
    items[7]["id"] = items[6]["id"]
    items[9]["slices"] = ["tial"]
    items[11]["prompt"] = str(items[10]["prompt"]).upper()
    items[13] |= {"expected": None, "draft": {"answer": "x"}}
    lines = told(check(write(tmp_path, items)))
    at = f"{tmp_path}/items.jsonl"
    for line in (
        f"{at}:4: problem: unknown key 'expectd' (did you mean 'expected'?)",
        f"{at}:4: problem: key 'expected' is missing",
        f"{at}:6: problem: item 'easy-5': exact cannot use `expected`: it is not a text",
        f"{at}:8: problem: item id 'easy-6' stands here 2 times, first in line 7",
        f"{at}:10: problem: slice 'tial' is not in suite.yaml (did you mean 'tail'?)",
        f"{at}:12: problem: item 'easy-11' asks the same as 'easy-10' in line 11: "
        "take one out, or give both a group",
        f"{at}:14: problem: a draft without an expectation: write its `expected`, or take it out",
    ):
        assert line in lines
    assert not [line for line in lines if ":14: problem: item" in line], "a draft is told once"


def test_a_broken_suite_file_does_not_hide_what_is_wrong_with_the_items(tmp_path: Path) -> None:
    folder = write(tmp_path, [{"id": "1"}], SUITE.replace("grader", "gradder"))
    report = check(folder)
    places = {(Path(one.where).name, one.line) for one in report.problems}
    assert {("suite.yaml", 3), ("items.jsonl", 1)} <= places
    assert report.exit_code == 2


def test_questions_in_other_words_are_no_duplicates_and_nearly_equal_ones_are_a_note(
    tmp_path: Path,
) -> None:
    long = "please tell me how many days the parcel to my aunt in the hills will take this winter"
    items = rows(30)
    items[0]["prompt"] = long + " if it snows a lot in the valley and the pass is closed"
    items[1]["prompt"] = long + " if it snows a lot in the valley and the pass is open"
    items[2]["prompt"] = "how long does a parcel need when there is snow on the mountain road"
    report = check(write(tmp_path, items))
    assert [(one.line, one.severity) for one in report.findings if "nearly" in one.text] == [
        (2, "note")
    ]


def test_keys_that_nothing_comes_of_are_notes(tmp_path: Path) -> None:
    idle = SUITE.replace("8}", "8, constrained: true, seed: 3}") + "loops: {max_steps: 3}\n"
    said = " ".join(told(check(write(tmp_path, rows(40), idle))))
    assert "decode.constrained: no item has a `schema`" in said
    assert "loops: no item has `turns`" in said
    assert "decode.seed: every answer is greedy" in said
    with_schema = [{**row, "schema": {"type": "object"}} for row in rows(40)]
    said = " ".join(told(check(write(tmp_path, with_schema))))
    assert "the `schema` of 40 items (the first is 'easy-0') is held against no answer" in said
    drawn = SUITE.replace("8}", "8, constrained: true, seed: 3, temperature: 1}")
    said = " ".join(told(check(write(tmp_path, with_schema, drawn))))
    assert "decode." not in said and "held against no answer" not in said


def test_a_raw_prompt_takes_no_tools(tmp_path: Path) -> None:
    raw = [{**row, "raw": True, "tools": [{"name": "f"}]} for row in rows(40)]
    (first, *_) = check(write(tmp_path, raw)).problems
    assert (first.line, "only a chat template takes tools" in first.text) == (1, True)


def test_items_of_one_group_may_be_alike() -> None:
    def item(number: int, group: str | None) -> Item:
        message = Message(role="user", content="The very same question?")
        return Item(id=str(number), messages=(message,), expected="x", slices=("a",), group=group)

    assert duplicates([item(1, "g"), item(2, "g")]) == ()
    assert len(duplicates([item(1, "g"), item(2, "h")])) == 1
    assert len(duplicates([item(1, None), item(2, None), item(3, None)])) == 2


def test_questions_that_differ_in_a_sign_alone_are_not_the_same_question() -> None:
    def item(number: int, question: str) -> Item:
        message = Message(role="user", content=question)
        return Item(id=str(number), messages=(message,), expected="x", slices=("a",))

    text = "Write a function that says whether every {} has a matching closing one, and test it"
    pairs = duplicates([item(1, text.format("(")), item(2, text.format("<"))])
    assert [pair.likeness < 1 for pair in pairs] == [True]


def test_what_training_left_in_a_models_tokenizer_is_a_note(tmp_path: Path) -> None:
    folder = write(tmp_path, rows(30))
    view = model_view(tmp_path / "model", context=200, template="{{ messages[0].content }}")
    file = tmp_path / "model" / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.enable_truncation(5)
    tokenizer.save(str(file))
    view = replace(view, chat=ChatFormat.of(tmp_path / "model"))
    notes = [one.text for one in check(folder, view).findings if one.severity == "note"]
    assert "tokenizer.json says to cut texts to 5 tokens, which is ignored" in notes


def test_a_model_refuses_what_it_has_no_room_or_no_template_for(tmp_path: Path) -> None:
    items = rows(30)
    items[4]["prompt"] = "word " * 100
    turns = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    items[6] = {"id": "two", "messages": turns, "expected": "x", "slices": ["easy"]}
    folder = write(tmp_path, items)
    view = model_view(
        tmp_path / "model", context=200, template=REFUSING + "{{ messages[0].content }}"
    )
    found = {one.line: one.text for one in check(folder, view).problems}
    assert "500 tokens and 8 for the answer exceed the model's context of 200" in found[5]
    assert "chat template refuses a conversation (user, user): one turn only" in found[7]


def test_lengths_beyond_the_context_are_refused_with_those_that_fit(tmp_path: Path) -> None:
    long = "long_context: {lengths: [8k, 64k], take: 2, tokenizer: model}\n"
    view = model_view(tmp_path / "model", context=32768)
    folder = write(tmp_path, rows(60), SUITE + long)
    texts = [one.text for one in check(folder, view).problems]
    assert texts == [
        "slice 'tail' has no items",
        "long_context: 64k exceeds the model's context of 32,768 tokens; "
        "lengths that fit: 8k, 16k, 32k",
    ]


def test_stretched_items_that_miss_their_length_name_what_would_hit_it(tmp_path: Path) -> None:
    """The test's tokenizer has a token a byte: counted by four characters, 1k becomes 4k."""
    view = model_view(tmp_path / "model", context=32768)
    folder = write(tmp_path, rows(30), SUITE + "long_context: {lengths: [1k], take: 2}\n")
    (note,) = [one.text for one in check(folder, view).findings if "1,016 were meant" in one.text]
    assert 0.9 <= float(re.findall(r"characters_per_token: ([\d.]+)", note)[0]) <= 1


def test_tails_are_recognized_by_names_graders_and_what_items_hold(tmp_path: Path) -> None:
    items = rows(6)
    nested = {"name": "f", "arguments": {"address": {"city": "x"}}}
    items[0]["grader"] = "tool_call"
    items[0]["prompt"] = "Where does the harbour begin?"
    items[0]["expected"] = nested
    items[1]["prompt"] = "Tafadhali, nataka kujua bei ya kitabu hiki."
    items[2]["prompt"] = "Repeat 1234567890 please"
    items[3] |= {"grader": "refusal", "expected": "comply"}
    items[4]["prompt"] = "This sentence goes on. " * 1500
    items[5]["prompt"] = "What does \U0001f9a9 mean?"
    found = {tail.name: tail.items for tail in check(write(tmp_path, items)).tails}
    assert found == {
        "long context 8k": 1,
        "long context 64k": 0,
        "long context 128k": 0,
        "low-resource language": 1,
        "nested JSON": 1,
        "numeric edge": 1,
        "refusal of what must be refused": 0,
        "no refusal of what is harmless": 1,
        "injection": 0,
        "rare tokens": 1,
    }
    lines = told(check(tmp_path))
    assert "tail long context 64k: none; stretch items: `long_context: {lengths: [64k]}`" in lines


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["suite", "check", *arguments])


def test_the_command_prints_lines_or_json_and_its_exit_code_says_whether_all_is_fine(
    tmp_path: Path,
) -> None:
    folder = str(write(tmp_path, rows(40), SUITE.replace("  tail: {}\n", "")))
    fine = run(folder)
    assert fine.exit_code == 0
    assert fine.output.splitlines()[-1].startswith("0 problems, 0 notes, ")
    (tmp_path / "items.jsonl").write_text('{"id": 1}\n')
    broken = run(folder, "--json")
    assert broken.exit_code == 2
    report = json.loads(broken.output)
    assert report["ok"] is False
    assert {one["line"] for one in report["findings"]} >= {1}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("empty", "no suite.yaml in this folder"),
        ("nowhere", "there is no such folder"),
        ("notes.txt", "is a file, not a folder"),
        ("notes.txt/suite", "there is no such folder"),
    ],
)
def test_what_is_no_suite_is_one_problem_with_what_to_do_next(
    tmp_path: Path, name: str, sentence: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("notes")
    result = run(str(tmp_path / name))
    assert result.exit_code == 2
    assert f"problem: {sentence}; a suite is a folder with suite.yaml" in result.output


def test_a_terminal_gets_tables(tmp_path: Path) -> None:
    from rich.console import Console

    console = Console(record=True, width=100, file=io.StringIO())
    show_on(console, suite_blocks(check(write(tmp_path, rows(10)))))
    text = console.export_text()
    assert "what each slice can prove" in text and "✗" in text and "tails in which" in text


def test_what_slices_prove_takes_a_line_each_in_eighty_columns() -> None:
    from rich.console import Console

    console = Console(record=True, width=80, file=io.StringIO())
    report = check(Path("examples/support-desk/suite"))
    show_on(console, suite_blocks(report))
    table, _, _ = console.export_text().partition("tails in which")
    assert "what each slice can prove, limit 10 %" in table
    assert len([line for line in table.splitlines() if line.startswith("│")]) == len(report.slices)


def test_the_examples_suite_is_fine() -> None:
    report = check(Path("examples/support-desk/suite"))
    assert report.problems == ()
    assert {tail.name for tail in report.tails if not tail.items} == {
        "long context 8k",
        "long context 64k",
        "long context 128k",
    }


@pytest.mark.parametrize("count", [500])
def test_five_hundred_items_are_looked_at_in_under_a_second_of_processor_time(
    tmp_path: Path, count: int
) -> None:
    import time

    folder = write(tmp_path, rows(count, ("easy",)), SUITE.replace("  tail: {}\n", ""))
    check(folder)  # imports
    started = time.process_time()
    assert check(folder).items == count
    assert time.process_time() - started < 1
