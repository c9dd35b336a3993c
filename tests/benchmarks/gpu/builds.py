"""The builds of the check: which variants of which model, each in a store of its own."""

import shutil
from pathlib import Path

from quantgate.flows.build.results.build_result import ALL_FAILED, OPEN, PASSED
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.process.devices.engines import llamacpp_lacks, torch_lacks
from quantgate.pipelines.specs.recipes import find_recipes
from tests.benchmarks.gpu.check import Check
from tests.benchmarks.gpu.journal import LeftOutError
from tests.benchmarks.gpu.programs import module, run_within
from tests.benchmarks.gpu.sealed import summary
from tests.support.builds.road import first_items, make_road
from tests.support.project import EXAMPLE, PROJECT

RECIPES = ("Q4_K_M--imatrix", "AWQ", "GPTQ", "FP8_DYNAMIC", "NVFP4")
SMOLLM2_RECIPES = ("Q4_K_M--imatrix", "AWQ--g64", "GPTQ--g64", "FP8_DYNAMIC", "NVFP4")
SMOLLM2 = PROJECT / "examples" / "smollm2"
_SMOLLM2_REDUCED = ("Q4_K_M--imatrix", "FP8_DYNAMIC")
"""On the CPU the others take minutes each."""
_REDUCED_SEQUENCES = 16
_JUDGED = (PASSED, ALL_FAILED, OPEN)
"""Verdicts are values, whatever they say."""


def build_example(check: Check, name: str, device: str) -> JsonObject:
    """Build and judge the example's five variants."""
    if check.items_a_slice is None:
        return _build(check, name, EXAMPLE / "build.yaml", RECIPES, device)
    reduced = check.folder / "reduced"
    if not reduced.exists():
        make_road(reduced, RECIPES, check.items_a_slice)
    return _build(check, name, reduced / "build.yaml", RECIPES, device)


def build_smollm2(check: Check, name: str, device: str) -> JsonObject:
    """Build and judge variants of the 135-million model."""
    if not (SMOLLM2 / "made" / "base").is_dir():
        raise LeftOutError("its base was not made: run examples/smollm2/train/prepare.py before")
    folder = check.folder / "smollm2-build"
    if not folder.exists():
        shutil.copytree(SMOLLM2 / "suite", folder / "suite")
        _write_smollm2(folder, check.items_a_slice)
    recipes = SMOLLM2_RECIPES if check.items_a_slice is None else _SMOLLM2_REDUCED
    return _build(check, name, folder / "build.yaml", recipes, device)


def _write_smollm2(folder: Path, items_a_slice: int | None) -> None:
    """Write the build of its example anew, without variants of others; maybe with less of all."""
    corpus = (SMOLLM2 / "corpus.yaml").read_text().replace("traffic/", f"{SMOLLM2 / 'traffic'}/")
    if items_a_slice is not None:
        first_items(folder / "suite" / "items.jsonl", items_a_slice)
        corpus = corpus.replace("sequences: 256", f"sequences: {_REDUCED_SEQUENCES}")
    (folder / "corpus.yaml").write_text(corpus)
    (folder / "build.yaml").write_text(
        f"name: smollm2-135m-desk\nmodel: {SMOLLM2 / 'made' / 'base'}\nsuite: suite\n"
        f"corpus: corpus.yaml\npolicy: {SMOLLM2 / 'policy.yaml'}\nrecipes: [Q8_0]\n"
    )


def _build(
    check: Check, name: str, build: Path, recipes: tuple[str, ...], device: str
) -> JsonObject:
    """Run one build in a store of its own; what it sealed counts, also where it is cut off."""
    store, log = check.store(name), check.folder / f"{name}.log"
    command = module("quantgate", "quantize", "--build", str(build), "--anyway")
    command += ["--recipes", ",".join(_usable(recipes, device)), "--quiet"]
    environment = check.environment(device) | {"QUANTGATE_STORE": str(store)}
    ending: JsonObject = {}
    try:
        ending["wall_seconds"] = round(
            run_within(command, check.budget.left_seconds, log, environment, _JUDGED), 1
        )
    except LeftOutError as reason:
        ending["ended"] = str(reason)
    rows = summary(store)
    if not rows:
        raise LeftOutError(str(ending.get("ended", "nothing was sealed")))
    return {**ending, "variants": rows}


def _usable(recipes: tuple[str, ...], device: str) -> tuple[str, ...]:
    """Leave out what the engine of cannot use the device: the others are worth measuring."""
    lacks = (None, None) if device == "cpu" else (llamacpp_lacks(), torch_lacks())
    names = tuple(
        recipe.name
        for recipe in find_recipes(recipes, Path())
        if lacks[recipe.format is not Format.GGUF] is None
    )
    if not names:
        raise LeftOutError("; ".join(lack for lack in lacks if lack))
    return names
