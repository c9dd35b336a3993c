"""compressed-tensors variants through us against a plain script that calls llm-compressor's `oneshot`."""

import json
import shutil
import sys
from functools import partial
from pathlib import Path

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import Calibration, Recipe
from quantgate.pipelines.engines.backend import CalibrationTokens
from quantgate.pipelines.engines.llmcompressor.backend import LlmCompressorBackend
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.safetensors import read_tensors
from quantgate.pipelines.process.runner import WAITING
from quantgate.pipelines.specs.recipes import find_recipes
from tests.benchmarks.measuring.building import THREADS, build, windows
from tests.benchmarks.measuring.processes import cost_of, cost_of_command
from tests.benchmarks.measuring.random_llama import SMALL, random_llama
from tests.benchmarks.measuring.ratios import Comparison, Cost, in_turns

RECIPES = ("W4A16--gptq", "W4A16--awq", "FP8_DYNAMIC", "W8A8")
ROWS, ROW_TOKENS = 8, 256
MOST_TIME, MOST_MEMORY = 1.1, 1.1


def run(store: Store) -> None:
    """Print time and memory of each recipe."""
    checkpoint = random_llama(SMALL, store)
    tokens = windows(checkpoint, ROWS, ROW_TOKENS, store.root)
    for recipe in find_recipes(RECIPES, Path()):
        folder = store.root / recipe.name
        used = None if recipe.calibration is Calibration.NONE else tokens
        ours, theirs = in_turns(
            partial(ours_alone, checkpoint, recipe, used, folder),
            partial(theirs_alone, checkpoint, recipe, used, folder),
        )
        Comparison(
            what=f"oneshot, {recipe.name}",
            ours=ours,
            theirs=theirs,
            most_time=MOST_TIME,
            most_memory=MOST_MEMORY,
        ).show()
        shutil.rmtree(folder)


def ours_alone(
    checkpoint: Checkpoint,
    recipe: Recipe,
    tokens: CalibrationTokens | None,
    folder: Path,
    turn: int,
) -> Cost:
    """Return what a build costs, in an empty store below `folder`."""
    store = Store(root=folder / f"ours-{turn}")
    return cost_of(lambda: build(checkpoint, recipe.name, LlmCompressorBackend(), store, tokens))


def theirs_alone(
    checkpoint: Checkpoint,
    recipe: Recipe,
    tokens: CalibrationTokens | None,
    folder: Path,
    turn: int,
) -> Cost:
    """Return what a plain script costs that applies a recipe's options."""
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / f"theirs-{turn}"
    command = [sys.executable, "-m", "tests.benchmarks.plain.oneshot"]
    command += [json.dumps(to_json(recipe.options)), str(checkpoint.folder)]
    command += [str(tokens.file) if tokens else "", str(output)]
    environment = {"OMP_NUM_THREADS": str(THREADS)} | WAITING
    cost = cost_of_command(command, folder / "theirs.log", environment | {"HF_HUB_OFFLINE": "1"})
    assert any("scale" in tensor.name for tensor in read_tensors(output)), "nothing was quantized"
    return cost
