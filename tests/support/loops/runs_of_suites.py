"""Runs of suites of loops, asked of a runtime that answers by rule."""

from pathlib import Path

from quantgate.pipelines.domain.run import Run, Schedule
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.engines.requests import Loadable, Prompt
from quantgate.pipelines.evaluation.answer_reading import AnswerReader
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.evaluation.loops.prompts import LoopPrompts
from quantgate.pipelines.evaluation.loops.waves import loops_of
from quantgate.pipelines.evaluation.observing import ObservationRunner
from quantgate.pipelines.evaluation.prompts import suite_prompts
from quantgate.pipelines.evaluation.runs import RunPlan, SuiteRuns, run_suite
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import (
    ignore_progress,
)
from quantgate.pipelines.process.runner import run_worker
from tests.support.fakes import TEMPLATE, write_tokenizer
from tests.support.loops.scripted import RulingRuntime, refunding

TOOL_TEMPLATE = (
    "{% for tool in tools or [] %}[{{ tool.function.name }}]{% endfor %}"
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}"
    "{% for call in message.tool_calls or [] %}"
    "#{{ call.function.name }} {{ call.function.arguments | tojson }}{% endfor %}"
    "{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


CONTEXT = 400


def suite_runs(
    folder: Path, suite: Suite, *, template: str = TEMPLATE, context: int = CONTEXT
) -> SuiteRuns:
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder, template)
    chat = ChatFormat.of(folder)
    observation_runner = ObservationRunner(
        store=Store(root=folder / "store"), run_worker=run_worker
    )
    prompts = suite_prompts(suite, chat, context)
    reader = AnswerReader(
        thoughts=suite.thoughts,
        prompts={one.item_id: one.text for one in prompts.prompts},
        tokenizer=chat.tokenizer,
    )
    loops = loops_of(
        LoopPrompts(suite=suite, chat=chat, context_length_tokens=context),
        reader=reader,
        observation_runner=observation_runner,
    )
    return SuiteRuns(
        suite=suite,
        prompts=loops.known_by(prompts) if loops else prompts,
        stop_token_ids=(0,),
        observation_runner=observation_runner,
        reader=reader,
        loops=loops,
    )


def planned(exam: SuiteRuns, runtime: RulingRuntime, schedule: Schedule) -> RunPlan:
    return exam.plan(
        runtime=runtime,
        identity=runtime.identity(None),
        subject="base",
        subject_digest=digest_of("base"),
        schedule=schedule,
    )


def asked(
    exam: SuiteRuns,
    runtime: RulingRuntime,
    schedule: Schedule = Schedule(slots=1, threads=1),  # noqa: B008 - frozen
) -> Run:
    return run_suite(
        exam,
        planned(exam, runtime, schedule),
        runtime=runtime,
        loadable=Loadable(path=exam.store.root, format=None),
        on_progress=ignore_progress,
    )


def scripted(prompt: Prompt) -> str:
    """Play `refund(n)` rightly: the item's number and the step stand in the prompt's id."""
    sample, _, step = prompt.item_id.partition("#step")
    number = int(sample.partition("#")[0].removeprefix("loop-"))
    return refunding(number)[int(step or 1) - 1]
