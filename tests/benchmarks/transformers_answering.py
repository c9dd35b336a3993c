"""The transformers runtime against lm-evaluation-harness' own `hf` model at its best batch size."""

import json
import subprocess
import sys
from functools import partial

from quantgate.flows.settings import Settings
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.engines.requests import Loadable
from quantgate.pipelines.engines.transformers.runtime import TransformersRuntime
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.runner import worker_environment
from tests.benchmarks.measuring.asking import Questions, in_rounds
from tests.benchmarks.measuring.building import THREADS
from tests.benchmarks.measuring.random_llama import MIDDLE, random_llama
from tests.benchmarks.measuring.ratios import ROUNDS
from tests.support.project import EXAMPLE

BATCH_SIZES = (16, 32, 64, 128)
EXAMPLE_ITEMS, EXAMPLE_TOKENS = 192, 64
RANDOM_ITEMS, RANDOM_TOKENS = 64, 32
LEAST = 1.0


def run(store: Store) -> None:
    """Print the ratio on the example, whose answers end by themselves, and on one whose answers do not."""
    settings = Settings.from_environment()
    example = resolve_checkpoint(
        str(EXAMPLE / "checkpoint"), name="example", store=store, hub=settings.hub
    )
    for checkpoint, items, tokens in (
        (example, EXAMPLE_ITEMS, EXAMPLE_TOKENS),
        (random_llama(MIDDLE, store), RANDOM_ITEMS, RANDOM_TOKENS),
    ):
        questions = Questions.of(checkpoint, store.root / checkpoint.name, items, tokens)
        sizes = {f"lm-eval hf, {size} a batch": partial(harness, size) for size in BATCH_SIZES}
        tried = in_rounds(sizes, questions, 1)
        best = max(sizes, key=lambda name: tried.whole[name])
        rates = in_rounds({"ours": ours, best: sizes[best]}, questions, ROUNDS)
        rates.show(f"{checkpoint.name}, transformers in bfloat16", "ours", best, LEAST)


def ours(questions: Questions) -> list[str]:
    """Return the answers of our runtime with its default batches."""
    loadable = Loadable(path=questions.checkpoint.folder, format=None)
    return questions.answered_by(TransformersRuntime(), loadable, THREADS)


def harness(size: int, questions: Questions) -> list[str]:
    """Return the answers of the harness, asked by a plain script in the environment of our workers."""
    texts = questions.folder / "texts.json"
    arguments = [questions.checkpoint.folder, questions.file, questions.max_tokens, size, texts]
    with (questions.folder / "harness.log").open("ab") as log:
        subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.plain.harness", *map(str, arguments)],
            check=True,
            stdout=log,
            stderr=log,
            env=worker_environment(THREADS),
        )
    return list(json.loads(texts.read_text()))
