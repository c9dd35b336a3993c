"""The demonstration suite of loops: sound as it is written, and played through by who keeps the thread."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.cli.judge import JudgeOptions, judge_transcripts
from quantgate.flows.cli.transcripts import exported_lines, read_transcript
from quantgate.flows.settings import Settings
from quantgate.pipelines.authoring.check import check_suite
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.run import Run, Schedule
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.suites.turns import Turn
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.engines.requests import Prompt
from quantgate.pipelines.evaluation.loops.functions import ToolFunctions
from quantgate.pipelines.evaluation.observing import ObserveCall
from quantgate.pipelines.files.records import from_json
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import OnProgress, Reply, WorkerCall, WorkerReply
from quantgate.pipelines.suites.load import load_suite
from tests.support.loops.runs_of_suites import asked, suite_runs
from tests.support.loops.scripted import RulingRuntime
from tests.support.project import PROJECT

DESK = PROJECT / "tests" / "support" / "loops" / "desk"
SHOTS = PROJECT / "tests" / "support" / "loops" / "shots"
SUITE = load_suite(DESK)
ITEMS = {item.id: item for item in SUITE.items}


def test_it_has_no_problem_and_enough_items_to_pass() -> None:
    report = check_suite(DESK, policy_file=None, model=None, read_table=None)
    assert report.problems == ()
    assert report.items == 32
    assert {one.name for one in report.slices if one.can_pass} == {"all", "loop"}


def test_the_suite_with_examples_in_its_conversations_has_no_problem_and_enough_items() -> None:
    report = check_suite(SHOTS, policy_file=None, model=None, read_table=None)
    assert report.problems == ()
    assert report.items == 36
    assert {one.name for one in report.slices if one.can_pass} == {"all"}


def test_who_keeps_the_thread_gets_every_loop_right_in_every_step(tmp_path: Path) -> None:
    run = _held(tmp_path, lost=frozenset())
    assert all(graded.grade.correct for graded in run.answers)
    assert all(graded.grade.score == 1.0 for graded in run.answers)
    assert {len(graded.steps) for graded in run.answers} == {5, 6}


def test_who_loses_it_in_the_last_steps_is_wrong_although_single_steps_hold(tmp_path: Path) -> None:
    lost = frozenset(list(ITEMS)[::4])
    run = _held(tmp_path, lost=lost)
    wrong = {
        item.id for item, one in zip(SUITE.items, run.answers, strict=True) if not one.grade.correct
    }
    assert wrong == lost
    reasons = {one.grade.reason for one in run.answers if not one.grade.correct}
    assert all(reason.startswith("3 of 4 steps reached; the end: ") for reason in reasons)


def test_its_transcripts_are_judged_as_a_build_would(tmp_path: Path) -> None:
    _held(tmp_path / "base", lost=frozenset())
    _held(tmp_path / "variant", lost=frozenset(list(ITEMS)[::4]))
    base, variant = (
        next((tmp_path / name / "store" / "runs").glob("*/transcript.jsonl"))
        for name in ("base", "variant")
    )
    options = JudgeOptions(reference=base, variant=base, suite=DESK)
    settings = replace(Settings.from_environment({}), store=Store(root=tmp_path / "store"))
    assert judge_transcripts(options, settings).decision is Decision.PASS
    judged = judge_transcripts(replace(options, variant=variant), settings)
    assert judged.decision is Decision.FAIL
    assert judged.whole is not None and judged.whole.statistics.broke == 8


def test_a_transcript_with_steps_of_no_loop_is_refused(tmp_path: Path) -> None:
    _held(tmp_path, lost=frozenset())
    run = next((tmp_path / "store" / "runs").glob("*/transcript.jsonl"))
    rows = [json.loads(line) for line in exported_lines(read_transcript(run))]
    file = tmp_path / "cut.jsonl"
    file.write_text(
        "".join(f"{json.dumps(row)}\n" for row in [*rows, rows[1] | {"item_id": "x#step2"}])
    )
    options = JudgeOptions(reference=file, variant=file, suite=DESK)
    settings = replace(Settings.from_environment({}), store=Store(root=tmp_path / "store"))
    with pytest.raises(InputError, match="of no item of the suite: x#step2"):
        judge_transcripts(options, settings)


def _held(folder: Path, *, lost: frozenset[str]) -> Run:
    exam = suite_runs(folder, SUITE, context=4000)
    assert exam.loops is not None
    functions = ToolFunctions(
        observation_runner=replace(exam.observation_runner, run_worker=_computed)
    )
    exam = replace(exam, loops=replace(exam.loops, functions=functions))

    def said(prompt: Prompt) -> str:
        sample, _, step = prompt.item_id.partition("#step")
        answers = list(_right_answers(ITEMS[sample]))
        number = int(step or 1)
        return "I forgot." if sample in lost and number == len(answers) else answers[number - 1]

    return asked(exam, RulingRuntime(rule=said), Schedule(slots=1, threads=1))


def _right_answers(item: Item) -> Iterator[str]:
    """Yield what meets every step: expected calls, and words that hold what is looked for."""
    assert item.loop is not None
    *turns, last = item.loop.turns
    for turn in turns:
        yield from _of_turn(turn)
    assert last.steps == ()
    yield f"It was {item.expected}."


def _of_turn(turn: Turn) -> Iterator[str]:
    called = False
    for step in turn.steps:
        called = isinstance(step.expected, dict)
        yield json.dumps(step.expected) if called else "For which reason, and which order?"
    if called:
        yield "That is done."


def _computed(
    call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
) -> WorkerReply[Reply]:
    """Run the desk's own functions here: they are the very text that the sandbox gets."""
    request = call.request
    assert isinstance(request, ObserveCall)
    rows = [json.loads(line) for line in request.questions.read_text().splitlines()]
    lines = [{"id": row["id"], "observation": _value(row["question"])} for row in rows]
    request.observations.write_text("".join(json.dumps(line) + "\n" for line in lines))
    reply = from_json(reply_type, {"observed": len(rows)})
    return WorkerReply(value=reply, seconds=0.0, peak_memory_bytes=0)


def _value(question: JsonObject) -> str:
    names: dict[str, object] = {}
    exec(str(question["source"]), names)
    function, arguments = names[str(question["name"])], question["arguments"]
    assert callable(function) and isinstance(arguments, dict)
    value: JsonValue = function(**arguments)
    return json.dumps(value)


@pytest.mark.parametrize(
    ("name", "arguments", "part"),
    [
        ("find_order", {"order_id": "KX-4107"}, '"status": "delivered"'),
        ("find_order", {"order_id": "4107"}, "error"),
        ("refund", {"order_id": "KX-4107", "reason": "no reason"}, "error"),
        ("deliver", {"order_id": "KX-4107", "day": "sunday"}, "error"),
    ],
)
def test_its_tools_answer_wrong_arguments_with_an_error(
    name: str, arguments: JsonObject, part: str
) -> None:
    source = (DESK / "tools.py").read_text()
    assert part in _value({"source": source, "name": name, "arguments": arguments})
