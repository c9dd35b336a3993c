"""Every recipe of the catalogue, from the checkpoint to the sealed variant, against its tool alone.

What GGUF recipes share, the conversion and the importance matrix, is measured once on each side and counted
for each recipe. What has no other side is named: measured mixes have no tool of their own, and the archived
quantizers run in an environment of theirs.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import (
    Calibration,
    CompressedTensorsOptions,
    GgufOptions,
    Recipe,
)
from quantgate.pipelines.engines.backend import CalibrationTokens
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.recipes import catalogue
from tests.benchmarks.conversion import converted_by_them
from tests.benchmarks.imatrix import (
    WINDOW_TOKENS,
    WINDOWS,
    collected_by_them,
    collected_by_us,
)
from tests.benchmarks.measuring.building import THREADS, build, llamacpp, traffic, windows
from tests.benchmarks.measuring.processes import cost_of, cost_of_command
from tests.benchmarks.measuring.random_llama import LARGE, SMALL, random_llama
from tests.benchmarks.measuring.ratios import Comparison, Cost
from tests.benchmarks.oneshot import ROW_TOKENS, ROWS, ours_alone, theirs_alone
from tests.support.llamacpp.oracles import oracle

MOST_TIME = 1.1
_WITH_MATRIX = "Q4_K_S--imatrix"


def run(store: Store) -> None:
    """Print the ratio of every recipe, one round each, and how many keep to the target."""
    kept: dict[str, bool] = {}
    for comparison in chain(_gguf(store), _compressed(store)):
        comparison.show()
        kept[comparison.what] = comparison.time_ratio <= MOST_TIME
    print(f"within {MOST_TIME} of the tool alone: {sum(kept.values())} of {len(kept)} recipes")
    beside = [recipe.name for recipe in catalogue() if recipe.name not in kept]
    print(f"not compared: {', '.join(beside)}", flush=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared:
    """What GGUF recipes share on one side: the F16 file, and what it and the importance matrix cost."""

    f16: Path
    converted: Cost
    collected: Cost

    def then(self, recipe: Recipe, quantized: Cost) -> Cost:
        """Return what a recipe costs from the checkpoint on."""
        if recipe.calibration is Calibration.NONE:
            return self.converted.then(quantized)
        return self.converted.then(self.collected).then(quantized)


def _gguf(store: Store) -> Iterator[Comparison]:
    checkpoint = random_llama(LARGE, store)
    tokens = windows(checkpoint, WINDOWS, WINDOW_TOKENS, store.root)
    ours, theirs = _our_share(checkpoint, tokens, store), _their_share(checkpoint, store.root)
    for recipe in catalogue():
        if not isinstance(recipe.options, GgufOptions) or recipe.options.mix is not None:
            continue
        quantized = _built(checkpoint, recipe, tokens, store)
        alone = _quantized_alone(theirs.f16, recipe, recipe.options)
        yield Comparison(
            what=recipe.name,
            ours=[ours.then(recipe, quantized)],
            theirs=[theirs.then(recipe, alone)],
            most_time=MOST_TIME,
        )


def _compressed(store: Store) -> Iterator[Comparison]:
    checkpoint = random_llama(SMALL, store)
    tokens = windows(checkpoint, ROWS, ROW_TOKENS, store.root)
    for recipe in catalogue():
        if not isinstance(recipe.options, CompressedTensorsOptions):
            continue
        folder = store.root / recipe.name
        used = None if recipe.calibration is Calibration.NONE else tokens
        yield Comparison(
            what=recipe.name,
            ours=[ours_alone(checkpoint, recipe, used, folder, 0)],
            theirs=[theirs_alone(checkpoint, recipe, used, folder, 0)],
            most_time=MOST_TIME,
        )
        shutil.rmtree(folder)


def _our_share(checkpoint: Checkpoint, tokens: CalibrationTokens, store: Store) -> _Shared:
    """Convert and collect apart from any recipe, and leave both in the store for all builds."""
    scratch = store.checkpoint(checkpoint.digests.combined)
    made: list[Path] = []

    def convert() -> None:
        made.append(llamacpp().converter.convert(checkpoint, scratch, run_worker, ignore_progress))

    converted = cost_of(convert)
    beside = store.root / "ours" / "f16.gguf"  # the folder that it lies in is sealed
    beside.parent.mkdir()
    beside.hardlink_to(made[0])
    collected = collected_by_us(beside, tokens, 0)
    build(checkpoint, _WITH_MATRIX, llamacpp(), store, tokens)
    shutil.rmtree(store.variants)
    return _Shared(f16=made[0], converted=converted, collected=collected)


def _their_share(checkpoint: Checkpoint, folder: Path) -> _Shared:
    f16, text = folder / "theirs" / "f16.gguf", folder / "traffic.txt"
    f16.parent.mkdir()
    text.write_text(traffic())
    converted = converted_by_them(checkpoint, f16)
    return _Shared(f16=f16, converted=converted, collected=collected_by_them(f16, text, 0))


def _built(checkpoint: Checkpoint, recipe: Recipe, tokens: CalibrationTokens, store: Store) -> Cost:
    used = None if recipe.calibration is Calibration.NONE else tokens
    cost = cost_of(lambda: build(checkpoint, recipe.name, llamacpp(), store, used))
    shutil.rmtree(store.variants)
    return cost


def _quantized_alone(f16: Path, recipe: Recipe, options: GgufOptions) -> Cost:
    output = f16.with_name("quantized.gguf")
    command = [str(oracle("llama-quantize"))]
    if recipe.calibration is not Calibration.NONE:
        command += ["--imatrix", str(f16.with_name("theirs.gguf"))]
    for rule in options.tensor_types:
        command += ["--tensor-type", f"{rule.pattern}={rule.type}"]
    command += [str(f16), str(output), options.file_type, str(THREADS)]
    cost = cost_of_command(command, f16.with_suffix(".log"), {})
    output.unlink()
    return cost
