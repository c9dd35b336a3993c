"""Every recipe of the catalogue, from the checkpoint to the sealed variant, against its tool alone.

What GGUF recipes share, the conversion and the importance matrix, is measured apart, three times on each side
in turns, and counted for each recipe. Our workers are forked, as in a build: the first one pays for the
server. Each recipe is built once, and a compressed-tensors recipe that takes too long is built three times
more: eight seconds, half of them imports, vary by more than the target. What has no other side is named:
measured mixes have no tool of their own, and the archived quantizers run in an environment of theirs.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
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
from quantgate.pipelines.process.forking.families import FAMILIES
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
from tests.benchmarks.measuring.processes import cost_of, cost_of_command, forked
from tests.benchmarks.measuring.random_llama import LARGE, SMALL, random_llama
from tests.benchmarks.measuring.ratios import ROUNDS, Comparison, Cost, in_turns
from tests.benchmarks.oneshot import ROW_TOKENS, ROWS, ours_alone, theirs_alone
from tests.support.llamacpp.oracles import oracle

MOST_TIME = 1.1
_WITH_MATRIX = "Q4_K_S--imatrix"


def run(store: Store) -> None:
    """Print the ratio of every recipe, and how many keep to the target."""
    kept: dict[str, bool] = {}
    for comparison in chain(_gguf(store), _compressed(store)):
        comparison.show()
        kept[comparison.what] = comparison.time_ratio <= MOST_TIME
    print(f"within {MOST_TIME} of the tool alone: {sum(kept.values())} of {len(kept)} recipes")
    beside = [recipe.name for recipe in catalogue() if recipe.name not in kept]
    print(f"not compared: {', '.join(beside)}", flush=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared:
    """What GGUF recipes share on one side: what the F16 file and the importance matrix cost in each round."""

    converted: list[Cost]
    collected: list[Cost]

    def then(self, recipe: Recipe, quantized: Cost) -> list[Cost]:
        """Return what a recipe costs from the checkpoint on, for each round of what is shared."""
        rounds = zip(self.converted, self.collected, strict=True)
        if recipe.calibration is Calibration.NONE:
            return [converted.then(quantized) for converted, _ in rounds]
        return [converted.then(collected).then(quantized) for converted, collected in rounds]


def _gguf(store: Store) -> Iterator[Comparison]:
    checkpoint = random_llama(LARGE, store)
    tokens = windows(checkpoint, WINDOWS, WINDOW_TOKENS, store.root)
    f16 = store.root / "theirs" / "f16.gguf"
    with forked(*FAMILIES):
        ours, theirs = _shares(checkpoint, tokens, store, f16)
        # The matrix that this one collects stays in the store for the others.
        build(checkpoint, _WITH_MATRIX, llamacpp(), store, tokens)
        shutil.rmtree(store.variants)
        for recipe in catalogue():
            if not isinstance(recipe.options, GgufOptions) or recipe.options.mix is not None:
                continue
            quantized = _built(checkpoint, recipe, tokens, store)
            alone = _quantized_alone(f16, recipe, recipe.options)
            yield Comparison(
                what=recipe.name,
                ours=ours.then(recipe, quantized),
                theirs=theirs.then(recipe, alone),
                most_time=MOST_TIME,
            )


def _compressed(store: Store) -> Iterator[Comparison]:
    checkpoint = random_llama(SMALL, store)
    tokens = windows(checkpoint, ROWS, ROW_TOKENS, store.root)
    with forked(*FAMILIES):
        for recipe in catalogue():
            if not isinstance(recipe.options, CompressedTensorsOptions):
                continue
            used = None if recipe.calibration is Calibration.NONE else tokens
            asked = checkpoint, recipe, used
            sides = partial(ours_alone, *asked), partial(theirs_alone, *asked)
            folder = store.root / recipe.name
            compared = _compared(recipe.name, *sides, folder, rounds=1)
            if compared.time_ratio > MOST_TIME:
                compared = _compared(recipe.name, *sides, folder, rounds=ROUNDS)
            yield compared


def _compared(
    what: str,
    ours: Callable[[Path, int], Cost],
    theirs: Callable[[Path, int], Cost],
    folder: Path,
    *,
    rounds: int,
) -> Comparison:
    """Compare a recipe's builds in turns, each written into a folder that is not kept."""
    try:
        costs = in_turns(partial(ours, folder), partial(theirs, folder), rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Comparison(what=what, ours=costs[0], theirs=costs[1], most_time=MOST_TIME)


def _shares(
    checkpoint: Checkpoint, tokens: CalibrationTokens, store: Store, f16: Path
) -> tuple[_Shared, _Shared]:
    """Convert and collect apart from any recipe; leaves our F16 file in the store and theirs as `f16`."""
    f16.parent.mkdir()
    converted = in_turns(
        partial(_converted_by_us, checkpoint, store),
        lambda _turn: converted_by_them(checkpoint, f16),
    )
    text = f16.with_suffix(".txt")
    text.write_text(traffic())
    collected = in_turns(
        partial(collected_by_us, f16, tokens), partial(collected_by_them, f16, text)
    )
    ours, theirs = (
        _Shared(converted=made, collected=weighed)
        for made, weighed in zip(converted, collected, strict=True)
    )
    return ours, theirs


def _converted_by_us(checkpoint: Checkpoint, store: Store, _turn: int) -> Cost:
    """Return what the sealed F16 file costs, one from before being thrown away."""
    scratch = store.checkpoint(checkpoint.digests.combined)
    if scratch.exists():
        shutil.rmtree(scratch)
    return cost_of(
        lambda: llamacpp().converter.convert(checkpoint, scratch, run_worker, ignore_progress)
    )


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
