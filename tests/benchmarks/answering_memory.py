"""Memory that evaluating a variant takes besides its weights and its keys and values."""

import re
import subprocess
import sys
from functools import partial
from pathlib import Path

from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.engines.llamacpp.runtime import LlamaCppRuntime
from quantgate.pipelines.engines.requests import AnswerRequest, Loadable
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.benchmarks.answering import RANDOM_ITEMS, RANDOM_TOKENS, models
from tests.benchmarks.measuring.asking import Questions
from tests.benchmarks.measuring.building import THREADS, llamacpp
from tests.benchmarks.measuring.processes import cost_of
from tests.benchmarks.measuring.random_llama import MIDDLE, random_llama

MOST_MEGABYTES = 300
_AT_ONCE = 2
"""Groups that are answered at once, at most, each with a cache of its own."""
_KEPT = re.compile(r"KV buffer size = *([0-9.]+) MiB")
_ASK = "from tests.benchmarks.answering_memory import ask; ask()"


def run(store: Store) -> None:
    """Print the highest resident memory of the whole tree, and what of it is neither weights nor cache.

    The tree is a process that asks through the runtime, and its child, with all their pages, those of the
    mapped file included. The cache is left out because the model takes it whoever serves it.
    """
    checkpoint = random_llama(MIDDLE, store)
    questions = Questions.of(checkpoint, store.root / "asked", RANDOM_ITEMS, RANDOM_TOKENS)
    for name, model in models(checkpoint, store).items():
        log = store.root / f"{name}.log"
        command = [sys.executable, "-c", _ASK, str(model), str(questions.file), str(log)]
        peak = cost_of(partial(subprocess.run, command, check=True)).peak_bytes / 1e6
        weights = model.stat().st_size / 1e6
        kept = sorted(map(float, _KEPT.findall(log.read_text())))
        cache = sum(kept[-_AT_ONCE:]) * 2**20 / 1e6
        added = peak - weights - cache
        print(
            f"{name}, {RANDOM_ITEMS} items answered: peak {peak:.0f} MB, weights {weights:.0f} MB,"
            f" keys and values {cache:.0f} MB, added {added:.0f} MB  target {MOST_MEGABYTES}"
            f"  {'ok' if added <= MOST_MEGABYTES else 'MISS'}",
            flush=True,
        )


def ask() -> None:
    """Ask a GGUF everything in a JSONL of prompts; arguments: the GGUF, the prompts, a log."""
    model, prompts, log = map(Path, sys.argv[1:])
    runtime = LlamaCppRuntime(convert=llamacpp().converter.convert)
    request = AnswerRequest(
        loadable=Loadable(path=model, format=Format.GGUF),
        prompts=prompts,
        answers=log.with_suffix(".jsonl"),
        decode=DecodeSettings(max_tokens=RANDOM_TOKENS),
        stop_token_ids=(),
        schedule=runtime.schedule(THREADS),
        log=log,
    )
    runtime.answer(request, run_worker, ignore_progress)
