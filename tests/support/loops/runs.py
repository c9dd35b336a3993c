"""A run of two loops with the example's checkpoint, in this process or as one that can be killed."""

import sys
from dataclasses import replace
from pathlib import Path

from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.run import Run, Schedule
from quantgate.pipelines.domain.suites.suite import Item, Suite
from quantgate.pipelines.domain.suites.turns import (
    Loop,
    ResultRow,
    ScriptedStep,
    SimulatedTool,
    Turn,
)
from quantgate.pipelines.engines.requests import Loadable
from quantgate.pipelines.engines.runtime import Runtime
from quantgate.pipelines.engines.transformers.runtime import TransformersRuntime
from quantgate.pipelines.evaluation.answer_reading import AnswerReader
from quantgate.pipelines.evaluation.asking import TRANSCRIPT
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.evaluation.loops.prompts import LoopPrompts
from quantgate.pipelines.evaluation.loops.waves import loops_of
from quantgate.pipelines.evaluation.observing import ObservationRunner
from quantgate.pipelines.evaluation.prompts import suite_prompts
from quantgate.pipelines.evaluation.runs import RunPlan, SuiteRuns, run_suite
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.tokenizers.folder import special_token_ids
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.suites.load import load_suite
from tests.support.llamacpp.checkpoints import runtime
from tests.support.project import EXAMPLE

LOOPS = 2


def loops() -> Suite:
    """The first questions of the example, each followed by its tool's result and one more answer."""
    suite = load_suite(EXAMPLE / "suite")
    items = tuple(_loop(item) for item in suite.items[:LOOPS])
    return replace(suite, items=items, decode=replace(suite.decode, max_tokens=48))


def _loop(item: Item) -> Item:
    call = item.expected
    assert isinstance(call, dict)
    name, arguments = call["name"], call["arguments"]
    assert isinstance(name, str) and isinstance(arguments, dict)
    row = ResultRow(arguments=arguments, result='{"done": true}')
    turns = (Turn(steps=(ScriptedStep(expected=call),)), Turn(user="Thank you."))
    tools = (SimulatedTool(name=name, rows=(row,)),)
    return replace(item, loop=Loop(turns=turns, tools=tools, max_steps=2))


def ask(folder: Path, engine: str, model: Path) -> tuple[Run, bytes]:
    """Run the loops with a store in `folder`; return the run and its transcript's bytes."""
    store = Store(root=folder)
    checkpoint = resolve_checkpoint(
        str(EXAMPLE / "checkpoint"), name="support-llama", store=store, hub=HubSettings()
    )
    exam = _suite_runs(checkpoint.folder, store, checkpoint.context_length_tokens)
    answering: Runtime = TransformersRuntime() if engine == "transformers" else runtime()
    plan = RunPlan(
        subject="base",
        subject_digest=checkpoint.digests.combined,
        contract=exam.plan(
            runtime=answering,
            identity=answering.identity(None),
            subject="base",
            subject_digest=checkpoint.digests.combined,
            schedule=Schedule(slots=2, threads=1),
        ).contract,
        source_digest=answering.source_digest(),
    )
    format_ = None if engine == "transformers" else Format.GGUF
    run = run_suite(
        exam,
        plan,
        runtime=answering,
        loadable=Loadable(path=model, format=format_),
        on_progress=ignore_progress,
    )
    return run, (exam.folder(plan) / TRANSCRIPT).read_bytes()


def _suite_runs(folder: Path, store: Store, context: int) -> SuiteRuns:
    suite, chat = loops(), ChatFormat.of(folder)
    prompts = suite_prompts(suite, chat, context)
    observation_runner = ObservationRunner(store=store, run_worker=run_worker)
    reader = AnswerReader(thoughts=suite.thoughts, tokenizer=chat.tokenizer)
    conversations = loops_of(
        LoopPrompts(suite=suite, chat=chat, context_length_tokens=context),
        reader=reader,
        observation_runner=observation_runner,
    )
    assert conversations is not None
    return SuiteRuns(
        suite=suite,
        prompts=conversations.known_by(prompts),
        stop_token_ids=special_token_ids(folder).end,
        observation_runner=observation_runner,
        reader=reader,
        loops=conversations,
    )


if __name__ == "__main__":
    ask(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
