"""Loops are asked in waves: the model's own answers go back, tools answer, interruptions change nothing."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.cli.transcripts import exported_lines, read_transcript
from quantgate.pipelines.domain.errors import InputError, WorkerError
from quantgate.pipelines.domain.run import Run, Schedule
from quantgate.pipelines.domain.suites.adjudication import Adjudication, Mark
from quantgate.pipelines.domain.suites.anchor import answer_digest
from quantgate.pipelines.domain.suites.suite import DecodeSettings, Item, Message
from quantgate.pipelines.domain.suites.turns import SimulatedTool, ToolFunction, Turn
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.engines.requests import Loadable, Prompt
from quantgate.pipelines.evaluation.adjudications import item_digest
from quantgate.pipelines.evaluation.asking import PROMPTS, TRANSCRIPT, read_answers
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.evaluation.grading import grade_answers
from quantgate.pipelines.evaluation.loops.functions import ToolFunctions
from quantgate.pipelines.evaluation.loops.history import HistoryForm, history_form
from quantgate.pipelines.evaluation.loops.rehearsal import rehearsed_texts
from quantgate.pipelines.evaluation.observing import ObserveCall
from quantgate.pipelines.evaluation.order import EarlyEnd
from quantgate.pipelines.evaluation.runs import run_suite
from quantgate.pipelines.files.records import from_json
from quantgate.pipelines.process.calls import (
    OnProgress,
    Progress,
    Reply,
    RunWorker,
    WorkerCall,
    WorkerReply,
    ignore_progress,
)
from tests.support.fakes import TEMPLATE, write_tokenizer
from tests.support.loops.runs_of_suites import (
    CONTEXT,
    TOOL_TEMPLATE,
    asked,
    planned,
    scripted,
    suite_runs,
)
from tests.support.loops.scripted import RulingRuntime, call, refund, refunding, suite_with
from tests.support.project import PROJECT

FAMILIES = PROJECT / "tests" / "support" / "prompts" / "chat_templates"


def test_every_wave_is_one_batch_of_the_loops_that_go_on(tmp_path: Path) -> None:
    single = Item(
        id="single",
        messages=(Message(role="user", content="?"),),
        expected="x",
        slices=("loop",),
    )
    suite = suite_with(refund(1), single, refund(2))
    runtime = RulingRuntime(rule=lambda p: "x" if p.item_id == "single" else scripted(p))
    run = asked(suite_runs(tmp_path, suite), runtime)
    assert [[prompt.item_id for prompt in batch] for batch in runtime.batches] == [
        ["loop-1", "single", "loop-2"],
        ["loop-1#step2", "loop-2#step2"],
        ["loop-1#step3", "loop-2#step3"],
        ["loop-1#step4", "loop-2#step4"],
    ]
    assert [graded.answer.item_id for graded in run.answers] == ["loop-1", "single", "loop-2"]
    assert all(graded.grade.correct for graded in run.answers)


def test_a_loop_that_diverges_takes_its_own_course(tmp_path: Path) -> None:
    def lost(prompt: Prompt) -> str:
        return "I do not know." if prompt.item_id.startswith("loop-2") else scripted(prompt)

    runtime = RulingRuntime(rule=lost)
    run = asked(suite_runs(tmp_path, suite_with(refund(1), refund(2))), runtime)
    assert [graded.grade.correct for graded in run.answers] == [True, False]
    assert [len(graded.steps) for graded in run.answers] == [4, 2]
    assert run.answers[1].grade.score == 0.0


def test_a_template_without_tools_gets_the_answers_as_they_were_written(tmp_path: Path) -> None:
    runtime = RulingRuntime(rule=scripted)
    asked(suite_runs(tmp_path, suite_with(refund())), runtime)
    order = call("find_order", order_id="A-1")
    assert runtime.batches[2][0].text == (
        "<user>I want my money back for A-1.</s>"
        f"<assistant>{order}</s>"
        '<tool>{"status": "sent"}</s>'
        "<assistant>May I ask why?</s>"
        "<user>It broke.</s>"
        "<assistant>"
    )


def test_a_template_with_tools_gets_the_calls_parsed_and_servers_the_same_messages(
    tmp_path: Path,
) -> None:
    runtime = RulingRuntime(
        rule=lambda p: (
            f"<tool_call>{scripted(p)}</tool_call>" if "#" not in p.item_id else scripted(p)
        )
    )
    asked(suite_runs(tmp_path, suite_with(refund()), template=TOOL_TEMPLATE), runtime)
    second = runtime.batches[1][0]
    rendered = '<assistant>#find_order {"order_id": "A-1"}</s><tool>{"status": "sent"}</s>'
    assert rendered in second.text
    assert second.chat is not None
    messages = second.chat["messages"]
    assert isinstance(messages, list)
    assert messages[1:] == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {
                    "id": "call00001",
                    "type": "function",
                    "function": {"name": "find_order", "arguments": '{"order_id": "A-1"}'},
                }
            ],
        },
        {
            "role": "tool",
            "content": '{"status": "sent"}',
            "name": "find_order",
            "tool_call_id": "call00001",
        },
    ]


def test_later_prompts_are_the_ids_of_their_rendered_text(tmp_path: Path) -> None:
    runtime = RulingRuntime(rule=scripted)
    exam = suite_runs(tmp_path, suite_with(refund()))
    asked(exam, runtime)
    assert exam.loops is not None
    chat = exam.loops.prompts.chat
    for batch in runtime.batches:
        for prompt in batch:
            assert prompt.token_ids == chat.token_ids(prompt.text)


def test_what_a_model_thought_is_not_put_back(tmp_path: Path) -> None:
    runtime = RulingRuntime(rule=lambda p: f"<think>well</think>{scripted(p)}")
    run = asked(suite_runs(tmp_path, suite_with(refund())), runtime)
    assert run.answers[0].grade.correct
    assert run.answers[0].thought_tokens == 4 * 2  # the fake runtime says two tokens an answer
    assert "well" not in run.answers[0].answer.text
    assert all("well" not in prompt.text for batch in runtime.batches for prompt in batch)


@pytest.mark.parametrize("stop_after", range(1, 8))
def test_a_run_that_is_killed_anywhere_gives_the_same_transcript_and_asks_nothing_twice(
    tmp_path: Path, stop_after: int
) -> None:
    suite = suite_with(refund(1), refund(2))
    whole, killed = RulingRuntime(rule=scripted), RulingRuntime(rule=scripted)
    killed.stop_after = stop_after
    first, second = suite_runs(tmp_path / "a", suite), suite_runs(tmp_path / "b", suite)
    asked(first, whole)
    with pytest.raises(WorkerError):
        asked(second, killed)
    asked(second, killed)
    plan = planned(first, whole, Schedule(slots=1, threads=1))
    for name in (TRANSCRIPT, PROMPTS):
        assert (first.folder(plan) / name).read_bytes() == (second.folder(plan) / name).read_bytes()
    assert sorted(killed.asked) == sorted(whole.asked)
    assert all(killed.batches[1:]), "a wave that is answered starts no runtime"


def test_the_transcript_holds_every_raw_answer_with_what_tools_said(tmp_path: Path) -> None:
    runtime = RulingRuntime(rule=scripted)
    exam = suite_runs(tmp_path, suite_with(refund(1), refund(2)))
    run = asked(exam, runtime)
    folder = exam.folder(planned(exam, runtime, Schedule(slots=1, threads=1)))
    answers = read_answers(folder / TRANSCRIPT)
    assert [answer.item_id for answer in answers] == [
        *("loop-1", "loop-1#step2", "loop-1#step3", "loop-1#step4"),
        *("loop-2", "loop-2#step2", "loop-2#step3", "loop-2#step4"),
    ]
    assert [answer.text for answer in answers[:4]] == refunding(1)
    assert [answer.tool_results for answer in answers[:4]] == [
        ('{"status": "sent"}',),
        (),
        ("done",),
        (),
    ]
    prompts = [json.loads(line) for line in (folder / PROMPTS).read_text().splitlines()]
    assert [prompt["item_id"] for prompt in prompts] == [answer.item_id for answer in answers]
    assert exam.read(planned(exam, runtime, Schedule(slots=1, threads=1))) == run


def test_portions_ask_their_loops_to_the_end(tmp_path: Path) -> None:
    suite = suite_with(*(refund(number) for number in range(1, 5)))
    exam, runtime = suite_runs(tmp_path, suite), RulingRuntime(rule=scripted)
    plan = planned(exam, runtime, Schedule(slots=1, threads=1, portions=2))
    seen: list[int] = []

    def ended(so_far: Run) -> bool:
        seen.append(len(so_far.answers))
        return True

    run = run_suite(
        exam,
        replace(plan, ended_by=digest_of("a policy")),
        runtime=runtime,
        loadable=Loadable(path=tmp_path, format=None),
        on_progress=ignore_progress,
        early=EarlyEnd(ended=ended),
    )
    assert seen == [2]
    assert [graded.answer.item_id for graded in run.answers] == ["loop-1", "loop-2"]
    assert all(len(graded.steps) == 4 for graded in run.answers)


def test_samples_of_a_loop_are_conversations_of_their_own(tmp_path: Path) -> None:
    def second_gives_up(prompt: Prompt) -> str:
        return "No." if prompt.item_id == "loop-1#2" else scripted(prompt)

    suite = suite_with(refund(), samples=3)
    suite = replace(suite, decode=DecodeSettings(max_tokens=16, temperature=0.5, samples=3))
    runtime = RulingRuntime(rule=second_gives_up)
    run = asked(suite_runs(tmp_path, suite), runtime)
    whole = run.answers[0]
    assert whole.grade.correct
    assert [sample.grade.correct for sample in whole.samples] == [True, False, True]
    assert [answer.item_id for answer in whole.raw_answers][:5] == [
        *("loop-1", "loop-1#step2", "loop-1#step3", "loop-1#step4"),
        "loop-1#2",
    ]


def test_a_conversation_that_outgrows_the_context_is_a_wrong_answer(tmp_path: Path) -> None:
    def wordy(prompt: Prompt) -> str:
        return "May I ask why? " * 20 if prompt.item_id == "loop-1#step2" else scripted(prompt)

    runtime = RulingRuntime(rule=wordy)
    run = asked(suite_runs(tmp_path, suite_with(refund()), context=300), runtime)
    grade = run.answers[0].grade
    assert not grade.correct
    assert "answer 3 has no room in the model's context: the conversation is" in grade.reason
    assert run.answers[0].steps[-1].answer.finish_reason == "context"
    assert run.answers[0].steps[-1].answer.prompt_tokens > 300 - 16


def test_a_template_that_refuses_what_the_model_said_ends_the_loop(tmp_path: Path) -> None:
    template = (
        "{% for one in messages if 'why' in one.content %}{{ raise_exception('no questions') }}"
        "{% endfor %}" + TEMPLATE
    )
    run = asked(
        suite_runs(tmp_path, suite_with(refund()), template=template), RulingRuntime(rule=scripted)
    )
    assert not run.answers[0].grade.correct
    assert "answer 3 could not be asked for" in run.answers[0].grade.reason
    assert "no questions" in run.answers[0].grade.reason


def test_a_script_that_no_answers_could_play_is_refused_before_anything_is_asked(
    tmp_path: Path,
) -> None:
    with pytest.raises(InputError) as raised:
        suite_runs(tmp_path, suite_with(refund()), context=130)
    assert "item 'loop-1': its script alone takes 135 tokens to the end" in raised.value.what
    refusing = "{% if messages | length > 3 %}{{ raise_exception('enough') }}{% endif %}" + TEMPLATE
    with pytest.raises(InputError, match="enough"):
        suite_runs(tmp_path, suite_with(refund()), template=refusing)


def test_a_rehearsal_makes_the_expected_calls_and_hears_their_results(tmp_path: Path) -> None:
    exam = suite_runs(tmp_path, suite_with(refund()), template=TOOL_TEMPLATE)
    assert exam.loops is not None
    ((name, text),) = rehearsed_texts(exam.loops.prompts)
    assert name == "loop-1 to its end"
    assert "#find_order" in text and '<tool>{"status": "sent"}' in text
    assert text.endswith("<tool>done</s><assistant></s>")


def test_calls_that_nothing_answers_get_an_error_and_the_loop_goes_on(tmp_path: Path) -> None:
    said = {
        "loop-1": call("find_order", order_id="nowhere"),
        "loop-1#step2": call("fly_to_moon"),
        "loop-1#step3": "I give up.",
    }
    runtime = RulingRuntime(rule=lambda prompt: said.get(prompt.item_id, "Sorry."))
    run = asked(suite_runs(tmp_path, suite_with(refund())), runtime)
    results = [step.answer.tool_results for step in run.answers[0].steps[:2]]
    assert results == [
        ("""{"error":"find_order has no result for {\\"order_id\\":\\"nowhere\\"}"}""",),
        ("""{"error":"there is no tool 'fly_to_moon'"}""",),
    ]


def test_scripted_error_messages_are_what_the_model_hears(tmp_path: Path) -> None:
    item = refund()
    assert item.loop is not None
    tools = (replace(item.loop.tools[0], otherwise="no such order"), item.loop.tools[1])
    item = replace(item, loop=replace(item.loop, tools=tools, unknown_tool="no such tool"))
    said = {"loop-1": call("find_order", order_id="?"), "loop-1#step2": call("fly")}
    runtime = RulingRuntime(rule=lambda prompt: said.get(prompt.item_id, "Sorry."))
    run = asked(suite_runs(tmp_path, suite_with(item)), runtime)
    results = [step.answer.tool_results for step in run.answers[0].steps[:2]]
    assert results == [("no such order",), ("no such tool",)]


def test_a_call_that_ends_its_turn_hands_back_with_its_result(tmp_path: Path) -> None:
    item = refund()
    assert item.loop is not None
    over = SimulatedTool(name="hand_over", otherwise="a colleague takes over", ends_turn=True)
    item = replace(item, expected="hand_over", loop=replace(item.loop, tools=(over,)))
    runtime = RulingRuntime(rule=lambda prompt: call("hand_over"))
    run = asked(suite_runs(tmp_path, suite_with(item)), runtime)
    assert [step.user for step in run.answers[0].steps] == ["It broke.", None]
    assert "a colleague takes over" in runtime.batches[1][0].text


def test_progress_counts_the_steps_that_come_up(tmp_path: Path) -> None:
    heard: list[Progress] = []

    class Telling(RulingRuntime):
        def answer(self, request, run_worker, on_progress):  # type: ignore[no-untyped-def]
            on_progress(Progress(done=0, total=1, what="answering"))
            super().answer(request, run_worker, on_progress)

    exam, runtime = suite_runs(tmp_path, suite_with(refund())), Telling(rule=scripted)
    run_suite(
        exam,
        planned(exam, runtime, Schedule(slots=1, threads=1)),
        runtime=runtime,
        loadable=Loadable(path=tmp_path, format=None),
        on_progress=heard.append,
    )
    assert [(one.done, one.total) for one in heard] == [(0, 1), (1, 2), (2, 3), (3, 4)]


def test_the_digest_of_prompts_covers_how_conversations_go_on(tmp_path: Path) -> None:
    suite = suite_with(refund())
    one = suite_runs(tmp_path / "a", suite).prompts
    same = suite_runs(tmp_path / "b", suite).prompts
    other_end = TEMPLATE.replace(
        "<assistant>{% endif %}", "<assistant>{% endif %}{# only a remark #}"
    )
    other = suite_runs(tmp_path / "c", suite, template=other_end).prompts
    assert one.digest == same.digest
    assert one.prompts == other.prompts
    assert one.digest != other.digest


@pytest.mark.parametrize(
    ("family", "form"),
    [
        ("chatml", HistoryForm(calls="tool_calls", results="tool")),
        ("headers", HistoryForm(calls="tool_calls", results="tool")),
        # It shows what is offered before the last user message only, so not in a conversation that goes on.
        ("inst", HistoryForm(calls="tool_calls", results="tool")),
        ("bars", HistoryForm(calls="text", results="tool")),
        ("command", HistoryForm(calls="text", results="user")),
        ("ends", HistoryForm(calls="text", results="user")),
    ],
)
def test_families_of_templates_get_calls_and_results_as_they_render_them(
    tmp_path: Path, family: str, form: HistoryForm
) -> None:
    template = (FAMILIES / f"{family}.jinja").read_text()
    write_tokenizer(tmp_path, template)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text()) | {"bos_token": "</s>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert history_form(ChatFormat.of(tmp_path)) == form


@pytest.mark.parametrize(
    ("template", "form"),
    [
        (TEMPLATE, HistoryForm(calls="text", results="tool")),
        (TOOL_TEMPLATE, HistoryForm(calls="tool_calls", results="tool")),
        (
            TEMPLATE.replace(
                "<{{ message.role }}>",
                "{% if message.role == 'tool' %}{{ raise_exception('roles') }}{% endif %}"
                "<{{ message.role }}>",
            ),
            HistoryForm(calls="text", results="user"),
        ),
        (
            "{% for m in messages if m.role != 'tool' %}{{ m.content }}{% endfor %}",
            HistoryForm(calls="text", results="user"),
        ),
    ],
)
def test_the_template_decides_how_calls_and_results_go_back(
    tmp_path: Path, template: str, form: HistoryForm
) -> None:
    write_tokenizer(tmp_path, template)
    assert history_form(ChatFormat.of(tmp_path)) == form


ALTERNATING = (
    "{% for one in messages %}{% if (one.role == 'user') != (loop.index0 % 2 == 0) or one.role == 'tool' %}"
    "{{ raise_exception('user and assistant take turns') }}{% endif %}"
    "<{{ one.role }}>{{ one.content }}{% endfor %}<assistant>"
)


def test_results_and_the_user_speak_in_one_message_where_the_template_wants_turns(
    tmp_path: Path,
) -> None:
    item = refund()
    assert item.loop is not None
    finds, refunds = item.loop.tools
    turns = (Turn(), Turn(user="It broke."))
    tools = (finds, replace(refunds, ends_turn=True))
    item = replace(item, loop=replace(item.loop, turns=turns, tools=tools))
    both = json.dumps(
        [json.loads(call("find_order", order_id="A-1")), json.loads(call("refund", order_id="A-1"))]
    )
    runtime = RulingRuntime(rule=lambda prompt: "Well." if "#" in prompt.item_id else both)
    run = asked(suite_runs(tmp_path, suite_with(item), template=ALTERNATING), runtime)
    assert len(run.answers[0].steps) == 2
    assert runtime.batches[1][0].text.endswith(
        f'<assistant>{both}<user>{{"status": "sent"}}\ndone\nIt broke.<assistant>'
    )


THINKING = (
    "{% for message in messages %}<{{ message.role }}>"
    "{% if message.reasoning_content %}({{ message.reasoning_content }}){% endif %}"
    "{{ message.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant><think>{% endif %}"
)


def test_the_template_decides_whether_thoughts_go_back_and_later_steps_begin_inside_one(
    tmp_path: Path,
) -> None:
    runtime = RulingRuntime(rule=lambda p: f"well</think>{scripted(p)}")
    run = asked(suite_runs(tmp_path, suite_with(refund()), template=THINKING), runtime)
    assert run.answers[0].grade.correct
    assert "<assistant>(well)May I ask why?</s>" in runtime.batches[2][0].text


def test_a_server_is_given_room_for_the_longest_conversation(tmp_path: Path) -> None:
    exam = suite_runs(tmp_path, suite_with(refund(max_steps=4)), context=100_000)
    single = suite_with(replace(refund(), loop=None))
    alone = suite_runs(tmp_path / "single", single, context=100_000)
    assert alone.longest_sequence_tokens < 300
    assert 1000 < exam.longest_sequence_tokens < 5000
    short = suite_runs(tmp_path, suite_with(refund(max_steps=4)))
    assert short.longest_sequence_tokens == CONTEXT


def computing(said: dict[str, str], asked: list[str]) -> RunWorker:
    """A worker that observes a function's call as what the test says of its arguments."""

    def work(
        call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
    ) -> WorkerReply[Reply]:
        request = call.request
        assert isinstance(request, ObserveCall)
        rows = [json.loads(line) for line in request.questions.read_text().splitlines()]
        asked.extend(json.dumps(row["question"]["arguments"]) for row in rows)
        lines = [
            {"id": row["id"], "observation": said[json.dumps(row["question"]["arguments"])]}
            for row in rows
        ]
        request.observations.write_text("".join(json.dumps(line) + "\n" for line in lines))
        reply = from_json(reply_type, {"observed": len(rows)})
        return WorkerReply(value=reply, seconds=0.0, peak_memory_bytes=0)

    return work


def test_functions_answer_what_no_row_does_all_calls_of_a_wave_at_once(tmp_path: Path) -> None:
    items = []
    for number in (1, 2):
        item = refund(number)
        assert item.loop is not None
        function = ToolFunction(file="tools.py", name="find_order", source="def find_order(): ...")
        find = replace(item.loop.tools[0], rows=(), function=function)
        loop = replace(item.loop, tools=(find, item.loop.tools[1]))
        items.append(replace(item, loop=loop))
    exam, asked_for = suite_runs(tmp_path, suite_with(*items)), list[str]()
    said = {f'{{"order_id": "A-{n}"}}': f"order {n}" for n in (1, 2)}
    assert exam.loops is not None
    observation_runner = replace(exam.observation_runner, run_worker=computing(said, asked_for))
    exam = replace(
        exam,
        loops=replace(exam.loops, functions=ToolFunctions(observation_runner=observation_runner)),
    )
    run = asked(exam, RulingRuntime(rule=scripted))
    assert [graded.steps[0].answer.tool_results for graded in run.answers] == [
        ("order 1",),
        ("order 2",),
    ]
    assert all(graded.grade.correct for graded in run.answers)
    assert len(asked_for) == 2


def test_an_exported_transcript_is_graded_as_the_run_was(tmp_path: Path) -> None:
    exam, runtime = suite_runs(tmp_path, suite_with(refund(1), refund(2))), RulingRuntime()
    runtime.rule = lambda prompt: "No." if prompt.item_id == "loop-2" else scripted(prompt)
    run = asked(exam, runtime)
    folder = exam.folder(planned(exam, runtime, Schedule(slots=1, threads=1)))
    file = tmp_path / "exported.jsonl"
    lines = exported_lines(read_transcript(folder))
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    graded = grade_answers(exam.suite, read_transcript(file).answers, None)
    assert [one.grade for one in graded] == [one.grade for one in run.answers]
    assert [one.steps for one in graded] == [one.steps for one in run.answers]


def test_a_decision_about_a_loop_holds_for_exactly_this_conversation(tmp_path: Path) -> None:
    suite = suite_with(refund())
    runtime = RulingRuntime(rule=lambda p: "Why?" if p.item_id.endswith("step2") else scripted(p))
    before = asked(suite_runs(tmp_path / "a", suite), runtime).answers[0]
    decided = Adjudication(
        item_id="loop-1",
        item_sha256=item_digest(suite.items[0]),
        answer_sha256=answer_digest(before.said),
        mark=Mark.WORSE,
        decided_by="Ada",
        decided_on="2026-11-29",
    )
    suite = replace(suite, adjudications=(decided,))
    answers = [step.answer for step in before.steps]
    assert not grade_answers(suite, answers, None)[0].grade.correct
    other = [replace(answers[0], text=f" {answers[0].text}"), *answers[1:]]
    assert grade_answers(suite, other, None)[0].grade.correct


def test_a_suite_may_say_whose_messages_results_are(tmp_path: Path) -> None:
    item = refund()
    assert item.loop is not None
    runtime = RulingRuntime(rule=scripted)
    as_user = replace(item, loop=replace(item.loop, results_as="user"))
    asked(suite_runs(tmp_path, suite_with(as_user)), runtime)
    assert '</s><user>{"status": "sent"}</s><assistant>' in runtime.batches[1][0].text


def test_answers_go_back_with_the_spaces_they_were_given_and_without_end_tokens(
    tmp_path: Path,
) -> None:
    order = call("find_order", order_id="A-1")
    said = {
        "loop-1": f"Let me look.\n<tool_call>{order}</tool_call>",
        "loop-1#step2": " May I ask why? \n",
        "loop-1#step3": "Well.<|im_end|>\n",
    }
    runtime = RulingRuntime(rule=lambda prompt: said.get(prompt.item_id, "It is refunded."))
    item = refund()
    assert item.loop is not None
    turns = (*item.loop.turns, Turn(user="Hm."))
    item = replace(item, loop=replace(item.loop, turns=turns))
    asked(suite_runs(tmp_path, suite_with(item), template=TOOL_TEMPLATE), runtime)
    text = runtime.batches[3][0].text
    assert "<assistant>Let me look.\n#find_order " in text
    assert "<assistant> May I ask why? \n</s>" in text
    assert "<assistant>Well.</s>" in text
