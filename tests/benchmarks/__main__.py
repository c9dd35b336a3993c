"""`make bench`: prints ratios, each measured within this run on this machine."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

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

PROJECT = Path(__file__).resolve().parents[2]
EXAMPLE = PROJECT / "examples" / "support-desk"
ITEMS = 96


def main() -> None:
    """Run every benchmark and print one line each."""
    with tempfile.TemporaryDirectory(prefix="quantgate-bench-") as scratch:
        store = Store(root=Path(scratch))
        settings = Settings.from_environment()
        checkpoint = resolve_checkpoint(
            str(EXAMPLE / "checkpoint"), name="bench", store=store, hub=settings.hub
        )
        show(
            "llama.cpp F16, items per CPU-second, batched / one at a time",
            batched(checkpoint, store),
        )
    show("`quantgate --help` wall time / bare interpreter", start_up())


def show(what: str, ratio: float) -> None:
    """Print one result."""
    print(f"{what}: {ratio:.2f}", flush=True)


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


def start_up() -> float:
    """Return the command's start-up against an interpreter that does nothing, medians of seven."""
    ours = wall_seconds([sys.executable, "-m", "flows", "--help"])
    return ours / wall_seconds([sys.executable, "-c", "pass"])


def child_cpu_seconds(work: Callable[[], None]) -> float:
    """Return the CPU seconds of the child processes that `work` starts and waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def wall_seconds(command: list[str]) -> float:
    """Return the median wall time of seven runs."""
    times = []
    for _ in range(7):
        started = time.monotonic()
        subprocess.run(command, cwd=PROJECT, env=os.environ, capture_output=True, check=True)
        times.append(time.monotonic() - started)
    return sorted(times)[3]


if __name__ == "__main__":
    main()
