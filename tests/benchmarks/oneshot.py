"""compressed-tensors variants through us against a plain script that calls llm-compressor's `oneshot`."""

import shutil
import sys
from functools import partial
from pathlib import Path

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.engines.backend import CalibrationTokens
from quantgate.pipelines.engines.llmcompressor.backend import LlmCompressorBackend
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.safetensors import read_tensors
from quantgate.pipelines.process.runner import WAITING
from tests.benchmarks.building import THREADS, build, windows
from tests.benchmarks.measuring.processes import cost_of, cost_of_command
from tests.benchmarks.measuring.random_llama import SMALL, random_llama
from tests.benchmarks.measuring.ratios import Comparison, Cost, in_turns

CALIBRATED = ("W4A16--gptq", "W4A16--awq")
RECIPES = (*CALIBRATED, "FP8_DYNAMIC", "W8A8")
ROWS, ROW_TOKENS = 8, 256
MOST_TIME, MOST_MEMORY = 1.1, 1.1


def run(store: Store) -> None:
    """Print time and memory of each recipe."""
    checkpoint = random_llama(SMALL, store)
    tokens = windows(checkpoint, ROWS, ROW_TOKENS, store.root)
    for recipe in RECIPES:
        folder = store.root / recipe
        used = tokens if recipe in CALIBRATED else None
        ours, theirs = in_turns(
            partial(_ours, checkpoint, recipe, used, folder),
            partial(_theirs, checkpoint, recipe, tokens, folder),
        )
        Comparison(
            what=f"oneshot, {recipe}",
            ours=ours,
            theirs=theirs,
            most_time=MOST_TIME,
            most_memory=MOST_MEMORY,
        ).show()
        shutil.rmtree(folder)


def _ours(
    checkpoint: Checkpoint,
    recipe: str,
    tokens: CalibrationTokens | None,
    folder: Path,
    turn: int,
) -> Cost:
    store = Store(root=folder / f"ours-{turn}")
    return cost_of(lambda: build(checkpoint, recipe, LlmCompressorBackend(), store, tokens))


def _theirs(
    checkpoint: Checkpoint, recipe: str, tokens: CalibrationTokens, folder: Path, turn: int
) -> Cost:
    output = folder / f"theirs-{turn}"
    command = [sys.executable, "-m", "tests.benchmarks.plain.oneshot", recipe]
    command += [str(checkpoint.folder), str(tokens.file), str(output)]
    environment = {"OMP_NUM_THREADS": str(THREADS)} | WAITING
    cost = cost_of_command(command, folder / "theirs.log", environment | {"HF_HUB_OFFLINE": "1"})
    assert any("scale" in tensor.name for tensor in read_tensors(output)), "nothing was quantized"
    return cost
