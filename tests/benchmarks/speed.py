"""What a build says of a variant's speed, against `llama-bench` on the same file: tokens a second of both.

Both decode the same numbers of tokens one request at a time, and generate behind a prompt of that length
(`--n-depth`), on one thread.
"""

import json
import os
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path

from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.speed import SpeedSample
from quantgate.pipelines.engines.llamacpp.speed import LlamaCppSpeedMeter
from quantgate.pipelines.engines.requests import Loadable
from quantgate.pipelines.engines.timing.meter import SpeedRequest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import WAITING, run_worker
from tests.benchmarks.measuring.building import build, llamacpp
from tests.benchmarks.measuring.random_llama import MIDDLE, random_llama
from tests.benchmarks.measuring.ratios import ROUNDS
from tests.support.llamacpp.oracles import oracle

THREADS = 1
"""Of several, those of llama-bench poll where those of our workers sleep: on busy cores another race."""
PROMPT_TOKENS, GENERATED_TOKENS = 128, 64
WITHIN = 0.05
_PASSES = "3"


def run(store: Store) -> None:
    """Print tokens a second of prompts and of answers, ours and theirs, by turns."""
    checkpoint = random_llama(MIDDLE, store)
    for recipe in ("Q8_0", "Q4_K_M"):
        file = build(checkpoint, recipe, llamacpp(), store).artifact
        rounds = [(_ours(file, store), _theirs(file)) for _ in range(ROUNDS)]
        show_rounds(recipe, "llama-bench", rounds)


def show_rounds(
    what: str, other: str, rounds: Sequence[tuple[tuple[float, float], tuple[float, float]]]
) -> None:
    """Print a line for prompt and one for generated tokens a second: of each round ours, and the other's."""
    for name, number in (("prompt", 0), ("generated", 1)):
        ours = statistics.median(mine[number] for mine, _ in rounds)
        theirs = statistics.median(their[number] for _, their in rounds)
        ratios = [mine[number] / their[number] for mine, their in rounds]
        ratio = statistics.median(ratios)
        verdict = "ok" if abs(ratio - 1) <= WITHIN else "MISS"
        print(
            f"{what}, {name} tokens a second: ours {ours:,.1f}  {other} {theirs:,.1f}"
            f"  ratio {ratio:.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
            f"  target {1 - WITHIN:.2f} to {1 + WITHIN:.2f}  {verdict}",
            flush=True,
        )


def _ours(file: Path, store: Store) -> tuple[float, float]:
    request = SpeedRequest(
        loadable=Loadable(path=file, format=Format.GGUF),
        prompt=tuple(1 + place % 100 for place in range(PROMPT_TOKENS)),
        generated_tokens=GENERATED_TOKENS,
        threads=THREADS,
        log=store.root / "speed.log",
    )
    sample: SpeedSample = LlamaCppSpeedMeter().sample(request, run_worker, ignore_progress)
    return sample.prompt_tokens_per_second, sample.generated_tokens_per_second


def _theirs(file: Path) -> tuple[float, float]:
    return (
        _benched(file, ["-p", str(PROMPT_TOKENS), "-n", "0"]),
        _benched(file, ["-p", "0", "-n", str(GENERATED_TOKENS), "-d", str(PROMPT_TOKENS)]),
    )


def _benched(file: Path, asked: list[str]) -> float:
    """Return the middle of its passes, in tokens a second."""
    command = [str(oracle("llama-bench")), "-m", str(file), "-t", str(THREADS), "-o", "json"]
    finished = subprocess.run(
        [*command, "-r", _PASSES, *asked],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | WAITING | {"OMP_NUM_THREADS": str(THREADS)},
    )
    (row,) = json.loads(finished.stdout)
    return float(statistics.median(row["samples_ts"]))
