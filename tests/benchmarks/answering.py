"""llama.cpp through our runtime against one prompt at a time, and against llama.cpp's own server.

Each of the other sides answers twice: with threads that wait passively, under which the targets were set,
and as they come, spinning until they are needed, which is the faster way on a machine that does nothing else.
The server's target holds for both. Our workers are forked, as in a build. SmolLM2-135M answers too where its
example's base was made.
"""

import json
from functools import partial
from pathlib import Path

from quantgate.flows.settings import Settings
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.engines.llamacpp.runtime import LlamaCppRuntime
from quantgate.pipelines.engines.requests import Loadable
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import WorkerCall, ignore_progress
from quantgate.pipelines.process.forking.families import USING_LLAMACPP
from quantgate.pipelines.process.runner import run_worker
from tests.benchmarks.measuring import llama_server
from tests.benchmarks.measuring.asking import Questions, in_rounds
from tests.benchmarks.measuring.building import THREADS, build, llamacpp
from tests.benchmarks.measuring.processes import forked
from tests.benchmarks.measuring.random_llama import MIDDLE, random_llama
from tests.benchmarks.measuring.ratios import ROUNDS
from tests.benchmarks.plain.one_by_one import OneByOne
from tests.support.project import EXAMPLE
from tests.support.scripts import SMOLLM2

EXAMPLE_ITEMS, EXAMPLE_TOKENS = 192, 64
RANDOM_ITEMS, RANDOM_TOKENS, RANDOM_ROUNDS = 64, 128, 1
"""Random weights never stop, so every answer is as long as it may be; the example's are short."""
SMOLLM2_BASE = SMOLLM2 / "made" / "base"
SMOLLM2_ITEMS, SMOLLM2_TOKENS, SMOLLM2_ROUNDS = 64, 64, 1
"""Rows of 576 weights, which K-quants cannot cut into blocks: its Q4_K_M is Q5_0 and Q8_0 mostly."""
LEAST = {"F16": 2.5, "Q4_K_M": 2.1}
LEAST_SERVER = 1.4


def run(store: Store) -> None:
    """Print the ratios of each checkpoint in both types."""
    example = _resolved(EXAMPLE / "checkpoint", "example", store)
    asked = [
        (example, EXAMPLE_ITEMS, EXAMPLE_TOKENS, ROUNDS),
        (random_llama(MIDDLE, store), RANDOM_ITEMS, RANDOM_TOKENS, RANDOM_ROUNDS),
    ]
    if SMOLLM2_BASE.is_dir():
        smollm2 = _resolved(SMOLLM2_BASE, "SmolLM2-135M", store)
        asked.append((smollm2, SMOLLM2_ITEMS, SMOLLM2_TOKENS, SMOLLM2_ROUNDS))
    else:
        print(f"SmolLM2-135M is left out: {SMOLLM2_BASE} was not made (examples/smollm2/README.md)")
    for checkpoint, items, tokens, rounds in asked:
        questions = Questions.of(checkpoint, store.root / checkpoint.name, items, tokens)
        for name, model in models(checkpoint, store).items():
            _compare(f"{checkpoint.name} {name}", questions, model, LEAST[name], rounds)


def _resolved(folder: Path, name: str, store: Store) -> Checkpoint:
    hub = Settings.from_environment().hub
    return resolve_checkpoint(str(folder), name=name, store=store, hub=hub)


def models(checkpoint: Checkpoint, store: Store) -> dict[str, Path]:
    """Return the checkpoint as F16 and as Q4_K_M."""
    folder = store.root / f"{checkpoint.name}-f16"
    full = llamacpp().converter.convert(checkpoint, folder, run_worker, ignore_progress)
    return {"F16": full, "Q4_K_M": build(checkpoint, "Q4_K_M", llamacpp(), store).artifact}


def _compare(what: str, questions: Questions, model: Path, least: float, rounds: int) -> None:
    sides = {
        "ours": partial(ours, model, THREADS),
        "one at a time": partial(_one_by_one, model, True),
        "one at a time, spinning": partial(_one_by_one, model, False),
        "llama-server": partial(_server, model, True),
        "llama-server, spinning": partial(_server, model, False),
    }
    with forked(USING_LLAMACPP):
        ours(
            model, THREADS, questions.first()
        )  # from here on there is a server to fork from, as in a build
        rates = in_rounds(sides, questions, rounds)
    rates.show(what, "ours", "one at a time", least)
    rates.show(what, "ours", "one at a time, spinning", None)
    rates.show(what, "ours", "llama-server", LEAST_SERVER)
    rates.show(what, "ours", "llama-server, spinning", LEAST_SERVER)


def ours(model: Path, threads: int, questions: Questions) -> list[str]:
    """Return the answers of our runtime with its default slots."""
    runtime = LlamaCppRuntime(convert=llamacpp().converter.convert)
    loadable = Loadable(path=model, format=Format.GGUF)
    return questions.answered_by(runtime, loadable, threads)


def _one_by_one(model: Path, passive: bool, questions: Questions) -> list[str]:
    texts = questions.folder / "texts.json"
    call = WorkerCall(
        module="tests.benchmarks.plain.one_by_one",
        request=OneByOne(
            model=model,
            prompts=questions.file,
            texts=texts,
            max_tokens=questions.max_tokens,
            threads=THREADS,
            passive=passive,
        ),
        log=questions.folder / "one-by-one.log",
        threads=THREADS,
    )
    run_worker(call, int, ignore_progress)
    return list(json.loads(texts.read_text()))


def _server(model: Path, passive: bool, questions: Questions) -> list[str]:
    longest = max(len(prompt.token_ids) for prompt in questions.prompts)
    server = llama_server.Server(
        model=model,
        context_tokens=longest + questions.max_tokens,
        threads=THREADS,
        passive=passive,
        log=questions.folder / "server.log",
    )
    ids = [prompt.token_ids for prompt in questions.prompts]
    return [text for text, _ in llama_server.answers(server, ids, questions.max_tokens)]
