"""Answering prompts in batches against one prompt at a time."""

import json
import resource
from collections.abc import Callable

from flows.settings import Settings
from flows.wiring import equipment
from pipelines.build.checkpoints import resolve_checkpoint
from pipelines.domain.checkpoint import Checkpoint
from pipelines.domain.suite import DecodeSettings
from pipelines.evaluation.chat import ChatFormat
from pipelines.evaluation.prompts import suite_prompts
from pipelines.files.records import to_json
from pipelines.files.store import Store
from pipelines.files.tokenizer_folder import special_token_ids
from pipelines.process.calls import WorkerCall, ignore_progress
from pipelines.process.runner import run_worker
from pipelines.runtimes.protocol import AnswerRequest
from pipelines.specs.suites import load_suite
from tests.benchmarks.one_by_one import OneByOne
from tests.benchmarks.random_llama import EXAMPLE
from tests.benchmarks.ratios import show_ratio

ITEMS = 96


def run(store: Store) -> None:
    """Print how many times more items a CPU-second answers in batches."""
    settings = Settings.from_environment()
    checkpoint = resolve_checkpoint(
        str(EXAMPLE / "checkpoint"), name="bench", store=store, hub=settings.hub
    )
    show_ratio(
        "llama.cpp F16, items per CPU-second, batched / one at a time", batched(checkpoint, store)
    )


def batched(checkpoint: Checkpoint, store: Store) -> float:
    """Return how many times more items a CPU-second answers in batches than one prompt at a time."""
    tools = equipment(Settings.from_environment())
    runtime = tools.runtimes["llamacpp"]
    suite = load_suite(EXAMPLE / "suite")
    chat = ChatFormat.of(checkpoint.folder)
    prompts = suite_prompts(suite, chat, checkpoint.context_length_tokens).prompts[:ITEMS]
    file = store.root / "prompts.jsonl"
    file.write_text("".join(json.dumps(to_json(prompt)) + "\n" for prompt in prompts))
    base = runtime.reference(checkpoint, store.root, run_worker, ignore_progress)
    decode = DecodeSettings(max_tokens=suite.decode.max_tokens)

    def in_batches() -> None:
        request = AnswerRequest(
            loadable=base,
            prompts=file,
            answers=store.root / "answers.jsonl",
            decode=decode,
            stop_token_ids=special_token_ids(checkpoint.folder).end,
            schedule=runtime.schedule(1),
            log=store.root / "batched.log",
        )
        runtime.answer(request, run_worker, ignore_progress)

    def one_by_one() -> None:
        call = WorkerCall(
            module="tests.benchmarks.one_by_one",
            request=OneByOne(
                model=base.path, prompts=file, max_tokens=decode.max_tokens, threads=1
            ),
            log=store.root / "one-by-one.log",
            threads=1,
        )
        run_worker(call, int, ignore_progress)

    return child_cpu_seconds(one_by_one) / child_cpu_seconds(in_batches)


def child_cpu_seconds(work: Callable[[], None]) -> float:
    """Return the CPU seconds of the child processes that `work` starts and waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
