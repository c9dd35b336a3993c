"""Items with turns: how they are written, what they become, and what is wrong with them."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.authoring.check import check_suite
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.domain.suites.turns import ResultRow, Turn
from quantgate.pipelines.suites.files import ItemSpec
from quantgate.pipelines.suites.load import load_suite
from quantgate.pipelines.suites.tables import ITEM_KEYS
from tests.support.loops.scripted import refund
from tests.support.project import PROJECT

FIND = {"name": "find_order", "arguments": {"order_id": "A-1"}}
TOOL = {
    "name": "find_order",
    "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}},
}
ANSWERS = {
    "find_order": {"rows": [{"arguments": {"order_id": "A-1"}, "result": {"status": "sent"}}]}
}
LOOP: dict[str, Any] = {
    "id": "loop-1",
    "slices": ["loop"],
    "tools": [TOOL],
    "turns": [
        {"user": "Where is A-1?", "steps": [{"expected": FIND, "grader": "tool_call"}]},
        {"user": "Thanks."},
    ],
    "tool_answers": ANSWERS,
    "expected": "welcome",
}
SUITE = """
name: desk
version: 1
grader: {kind: contains}
decode: {max_tokens: 16}
slices: {loop: {}}
"""


def written(folder: Path, *items: dict[str, Any], suite: str = SUITE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "suite.yaml").write_text(suite)
    (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    return folder


def problems(folder: Path) -> list[str]:
    report = check_suite(folder, policy_file=None, model=None, read_table=None)
    return [one.text for one in report.problems if "no break at all" not in one.text]


def test_turns_become_a_loop_whose_first_message_is_the_items_own(tmp_path: Path) -> None:
    item = load_suite(written(tmp_path, LOOP)).items[0]
    assert item.messages == (Message(role="user", content="Where is A-1?"),)
    assert item.loop is not None
    assert item.loop.turns[1] == Turn(user="Thanks.", steps=())
    assert item.loop.turns[0].user is None
    assert item.loop.turns[0].steps[0].expected == FIND
    assert item.loop.tools[0].rows == (
        ResultRow(arguments={"order_id": "A-1"}, result='{"status": "sent"}'),
    )
    assert item.loop.max_steps == 10


def test_a_system_message_goes_before_the_first_turn(tmp_path: Path) -> None:
    system = {"role": "system", "content": "Be kind."}
    item = load_suite(written(tmp_path, LOOP | {"messages": [system]})).items[0]
    assert [message.role for message in item.messages] == ["system", "user"]


def test_the_first_turn_may_leave_the_question_to_prompt(tmp_path: Path) -> None:
    turns = [{"steps": []}, {"user": "Thanks."}]
    item = load_suite(written(tmp_path, LOOP | {"turns": turns, "prompt": "Where is A-1?"})).items[
        0
    ]
    assert item.messages == (Message(role="user", content="Where is A-1?"),)


def test_the_suite_gives_its_loops_the_tools_they_offer_and_items_go_before_it(
    tmp_path: Path,
) -> None:
    shared = SUITE + (
        "loops:\n  max_steps: 4\n  unknown_tool: {error: no such tool}\n  tool_answers:\n"
        "    find_order: {otherwise: nothing}\n    cancel: {otherwise: cancelled}\n"
    )
    without = {key: value for key, value in LOOP.items() if key != "tool_answers"}
    suite = load_suite(written(tmp_path, LOOP, without | {"id": "b", "max_steps": 6}, suite=shared))
    loops = [item.loop for item in suite.items if item.loop]
    assert [loop.max_steps for loop in loops] == [4, 6]
    assert [[tool.name for tool in loop.tools] for loop in loops] == [["find_order"]] * 2
    assert loops[0].tools[0].rows and not loops[1].tools[0].rows
    assert loops[1].tools[0].otherwise == "nothing"
    assert loops[0].unknown_tool == '{"error": "no such tool"}'


def test_a_sound_loop_has_no_problem(tmp_path: Path) -> None:
    assert problems(written(tmp_path, LOOP)) == []


def test_every_part_of_the_script_is_in_the_suites_digest(tmp_path: Path) -> None:
    changed = [
        LOOP | {"max_steps": 5},
        LOOP | {"tool_answers": {"find_order": {"otherwise": "?"}}},
        LOOP | {"turns": [LOOP["turns"][0], {"user": "Thank you."}]},
        LOOP | {"turns": [{**LOOP["turns"][0], "steps": []}, LOOP["turns"][1]]},
    ]
    digests = {
        load_suite(written(tmp_path / str(number), item)).digest
        for number, item in enumerate([LOOP, *changed])
    }
    assert len(digests) == 5


def test_a_suite_without_loops_keeps_the_digest_it_had(tmp_path: Path) -> None:
    plain = {"id": "a", "prompt": "?", "expected": "x", "slices": ["loop"]}
    unused = SUITE + "loops: {max_steps: 3}\n"
    one = load_suite(written(tmp_path / "a", plain))
    other = load_suite(written(tmp_path / "b", plain, suite=unused))
    assert one.digest == other.digest
    assert one.items[0].loop is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"prompt": "x"}, "begins twice"),
        ({"turns": [{}]}, "needs either messages or prompt"),
        ({"turns": [LOOP["turns"][0], {"steps": []}]}, "turn 2 needs `user`"),
        ({"turns": []}, "belong to an item with turns"),
        ({"raw": True}, "a conversation needs the chat template"),
        ({"max_steps": 51}, "max_steps"),
        (
            {"turns": [{"user": "?", "step": []}]},
            "unknown key 'turns.0.step' (did you mean 'steps'?)",
        ),
        (
            {"tool_answers": {"find_order": {"function": "tools.py:find"}}},
            "there is no file 'tools.py' in the suite's folder",
        ),
        ({"tool_answers": {"find_order": {"function": "../x.py:f"}}}, "lies outside"),
        ({"tool_answers": {"find_order": {"function": "tools.py"}}}, "function"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    prompt = {} if "prompt" in changes or changes.get("turns") != [] else {"prompt": "?"}
    folder = written(tmp_path, LOOP | changes | prompt)
    with pytest.raises(InputError) as raised:
        load_suite(folder)
    assert "line 1" in raised.value.what
    assert sentence in raised.value.what


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("def find(order_id):\n    return order_id\n", ""),
        ("def fined(order_id): ...\n", "defines no function 'find' (did you mean 'fined'?)"),
        ("def find(:\n", "'tools.py' is no Python"),
        ("x = 1\n" * 20_000, "larger than 64 KiB"),
    ],
)
def test_functions_are_read_with_their_file(tmp_path: Path, source: str, sentence: str) -> None:
    item = LOOP | {"tool_answers": {"find_order": {"function": "tools.py:find"}}}
    folder = written(tmp_path, item)
    (folder / "tools.py").write_text(source)
    if not sentence:
        before = load_suite(folder)
        loop = before.items[0].loop
        assert loop is not None and loop.tools[0].function is not None
        assert loop.tools[0].function.source == source
        (folder / "tools.py").write_text(source + "# another\n")
        assert load_suite(folder).digest != before.digest
        return
    with pytest.raises(InputError, match="line 1") as raised:
        load_suite(folder)
    assert sentence in raised.value.what


def steps(*each: dict[str, Any]) -> dict[str, Any]:
    return {"turns": [{"user": "Where is A-1?", "steps": list(each)}]}


CALLED = {"expected": FIND, "grader": "tool_call"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"max_steps": 1},
            "its script takes 2 answers or more and max_steps is 1: the end is never reached",
        ),
        (
            {"tool_answers": {}} | steps(CALLED, CALLED),
            "turn 1 expects several answers, but no tool answers calls here",
        ),
        (
            {"tool_answers": {"find_order": ANSWERS["find_order"] | {"ends_turn": True}}}
            | steps(CALLED, {"expected": "sent"}),
            "step 1 ends its turn (find_order has ends_turn): what follows it is never reached",
        ),
        (
            {"grader": "tool_call", "expected": FIND},
            "the end expects a call of find_order, after which the loop would go on",
        ),
        (
            steps({"expected": {"name": "find_order"}, "grader": "tool_call"}),
            "step 1: tool_call cannot use `expected`: the object has no 'arguments'",
        ),
        (
            {"grader": "number", "expected": "many"},
            "the end: number cannot use `expected`",
        ),
        (
            steps(
                {
                    "expected": {"name": "find_order", "arguments": {"order_id": "B"}},
                    "grader": "tool_call",
                }
            ),
            'step 1 expects find_order({"order_id":"B"}) and no row of it fits',
        ),
        (
            steps({"expected": {"name": "find", "arguments": {}}, "grader": "tool_call"}),
            "step 1 expects find({}) and no row of it fits",
        ),
        (
            {"tool_answers": {"find_oder": ANSWERS["find_order"]}},
            "tool_answers.find_oder: no such tool is offered (did you mean 'find_order'?)",
        ),
        (
            {"tools": [TOOL, {"name": "cancel", "parameters": {}}]},
            "tool 'cancel' is offered and nothing answers it",
        ),
        (
            {"tool_answers": {"find_order": {"ends_turn": False}}, "turns": [{"user": "?"}]},
            "tool_answers.find_order has neither rows, nor a function, nor `otherwise`",
        ),
        (
            {
                "tool_answers": {
                    "find_order": {
                        "rows": [{"result": 1}, {"arguments": {"order_id": "A-1"}, "result": 2}]
                    }
                }
            },
            "tool_answers.find_order: row 2 is never used, row 1 answers before it",
        ),
        (
            {
                "tool_answers": {
                    "find_order": {
                        "rows": [{"arguments": {"order": "A-1"}, "result": 1}],
                        "otherwise": 0,
                    }
                }
            },
            "row 1 has an argument 'order' that the tool does not take (did you mean 'order_id'?)",
        ),
        ({"id": "a#step2"}, "its id ends like the id of a step"),
    ],
)
def test_what_can_never_be_met_reached_or_answered_is_a_problem(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    texts = problems(written(tmp_path, LOOP | changes))
    assert any(sentence in text for text in texts), texts


def test_a_loop_counts_as_said_all_that_its_script_says() -> None:
    assert [message.content for message in refund().script] == [
        "I want my money back for A-1.",
        "It broke.",
        '{"status": "sent"}',
        "done",
    ]


def test_the_documents_example_is_a_sound_loop(tmp_path: Path) -> None:
    page = (PROJECT / "docs" / "loops.md").read_text()
    item = json.loads(page.partition("```json\n")[2].partition("```")[0])
    folder = written(tmp_path, item)
    (folder / "tools.py").write_text("def refund(order_id, reason):\n    return 'done'\n")
    assert problems(folder) == []
    loop = load_suite(folder).items[0].loop
    assert loop is not None and sum(len(turn.steps) for turn in loop.turns) == 3


def test_loops_are_not_stretched(tmp_path: Path) -> None:
    plain = {"id": "a", "prompt": "Where is it?", "expected": "x", "slices": ["loop"]}
    suite = SUITE + "long_context: {lengths: [1024]}\n"
    ids = [item.id for item in load_suite(written(tmp_path, LOOP, plain, suite=suite)).items]
    assert [one.partition("+")[0] for one in ids] == ["loop-1", "a", "a"]


def test_two_loops_with_one_question_and_other_scripts_do_not_ask_the_same(tmp_path: Path) -> None:
    other = LOOP | {"id": "b", "turns": [LOOP["turns"][0], {"user": "Then cancel it, will you?"}]}
    same = LOOP | {"id": "c"}
    assert problems(written(tmp_path / "a", LOOP, other)) == []
    assert any("asks the same" in text for text in problems(written(tmp_path / "b", LOOP, same)))


def test_a_table_may_hold_loops_and_whatever_else_an_item_has(tmp_path: Path) -> None:
    suite = SUITE + (
        "items: {path: items.csv, json_columns: [turns, slices, tool_answers, template_variables]}\n"
    )
    rows = [
        ["id", "turns", "slices", "tool_answers", "max_steps", "raw", "prompt", "expected"],
        ["a", '[{"user": "Hi"}, {"user": "Bye"}]', '["loop"]', "", "4", "", "", "x"],
        ["b", "", '["loop"]', "", "", "true", "Once upon", "x"],
    ]
    folder = written(tmp_path, suite=suite)
    with (folder / "items.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    loop, raw = load_suite(folder).items
    assert loop.loop is not None and loop.loop.max_steps == 4
    assert [turn.user for turn in loop.loop.turns] == [None, "Bye"]
    assert raw.raw and raw.loop is None


def test_every_key_of_an_item_may_be_a_column() -> None:
    names = {field.alias or name for name, field in ItemSpec.model_fields.items()}
    assert names - {"draft"} == {*ITEM_KEYS}
