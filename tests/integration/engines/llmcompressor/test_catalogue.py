"""Every compressed-tensors recipe of the catalogue, really built from the example, read back and run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from transformers.utils import logging

from quantgate.calibration.shelf.assemble import build_corpus
from quantgate.calibration.shelf.tokens import calibration_tokens
from quantgate.calibration.specs.corpus_file import load_corpus_spec
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import CompressedTensorsOptions, Format, Recipe
from quantgate.pipelines.domain.run import RuntimeIdentity
from quantgate.pipelines.engines.backend import BuildRequest, Built, CalibrationTokens
from quantgate.pipelines.engines.llmcompressor.backend import LlmCompressorBackend
from quantgate.pipelines.engines.llmcompressor.schemes import wants_calibration
from quantgate.pipelines.engines.requests import Loadable, ProbeReport, ProbeRequest
from quantgate.pipelines.engines.transformers.runtime import TransformersRuntime
from quantgate.pipelines.engines.transformers.workers.model import load
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.recipes import catalogue
from tests.support.builds.expectations import unexpected
from tests.support.models.activations import rounded_values, what_is_multiplied
from tests.support.project import EXAMPLE

pytestmark = pytest.mark.integration

# Fewer tokens than the recipes ask for: what is shown here does not hang on how many.
TOKENS = 1500
LAYERS, MATRICES_A_LAYER = 4, 7
RECIPES = {
    recipe.name: recipe for recipe in catalogue() if recipe.format is Format.COMPRESSED_TENSORS
}
LIKE_OTHERS = {
    "NVFP4--kv_fp8", "W4A16--awq_g32", "W4A16--awq_g64", "W4A16--gptq_g64", "W4A16_ASYM--awq_g32",
    "W4A16_ASYM--awq_g64",
}  # fmt: skip
"""Recipes whose parts are each in another one: `make slow` builds them too."""
EACH = [
    pytest.param(name, marks=(pytest.mark.slow,) if name in LIKE_OTHERS else ()) for name in RECIPES
]
REPEATED = "W4A16--awq"


@dataclass(frozen=True, slots=True)
class Result:
    """One recipe's variant, and what its runtime made of it."""

    built: Built
    probe: ProbeReport


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    store = Store(root=tmp_path_factory.mktemp("store"))
    return resolve_checkpoint(
        str(EXAMPLE / "checkpoint"), name="demo", store=store, hub=HubSettings()
    )


@pytest.fixture(scope="module")
def corpus(base: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> CalibrationTokens:
    folder = tmp_path_factory.mktemp("corpus")
    return calibration_tokens(
        build_corpus(load_corpus_spec(EXAMPLE / "corpus.yaml"), Store(root=folder)),
        ChatFormat.of(base.folder),
        context_length_tokens=base.context_length_tokens,
        target_tokens=TOKENS,
        folder=folder,
    )


class Results(dict[str, Result]):
    """Results by a recipe's name; each is built and probed when it is first asked for."""

    def __init__(self, base: Checkpoint, corpus: CalibrationTokens, folder: Path) -> None:
        super().__init__()
        self._base, self._corpus, self._folder = base, corpus, folder

    def __missing__(self, name: str) -> Result:
        built = _build(self._base, RECIPES[name], self._corpus, self._folder / name)
        self[name] = Result(built, _probe(built, self._corpus, self._folder / name))
        return self[name]


@pytest.fixture(scope="module")
def results(
    base: Checkpoint, corpus: CalibrationTokens, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Result]:
    return Results(base, corpus, tmp_path_factory.mktemp("variants"))


def _build(base: Checkpoint, recipe: Recipe, corpus: CalibrationTokens, folder: Path) -> Built:
    output = folder / "files"
    output.mkdir(parents=True)
    backend = LlmCompressorBackend()
    request = BuildRequest(
        checkpoint=base,
        recipe=recipe,
        calibration=corpus,
        output=output,
        scratch=folder,
        log=folder / "build.log",
        toolchain=backend.toolchain(threads=1),
    )
    return backend.build(request, run_worker, ignore_progress)


def _probe(built: Built, corpus: CalibrationTokens, folder: Path) -> ProbeReport:
    texts = folder / "texts.jsonl"
    rows = [json.loads(line) for line in corpus.file.read_text().splitlines()]
    texts.write_text("".join(json.dumps(row | {"text": ""}) + "\n" for row in rows))
    loadable = Loadable(path=built.artifact, format=Format.COMPRESSED_TENSORS)
    request = ProbeRequest(loadable=loadable, texts=texts, threads=1, log=folder / "probe.log")
    return TransformersRuntime().probe(request, run_worker, ignore_progress)


def _options(recipe: Recipe) -> CompressedTensorsOptions:
    assert isinstance(recipe.options, CompressedTensorsOptions)
    return recipe.options


def test_the_catalogue_holds_what_people_ship() -> None:
    assert {
        "W4A16--awq", "W4A16_ASYM--awq", "W4A16--gptq", "W4A16--gptq_g32", "W8A16", "W8A8",
        "W8A8--smoothquant_gptq", "FP8", "FP8_DYNAMIC", "FP8_BLOCK", "NVFP4", "NVFP4A16", "MXFP4",
        "MXFP8", "FP8_KV", "FP8_DYNAMIC--kv_fp8",
    } <= set(RECIPES)  # fmt: skip


@pytest.mark.parametrize("name", EACH)
def test_everything_promised_is_there_at_the_promised_cost(
    name: str, base: Checkpoint, results: Mapping[str, Result]
) -> None:
    recipe, facts = RECIPES[name], results[name].built.facts
    options = _options(recipe)
    weights = LAYERS * MATRICES_A_LAYER if options.scheme else 0
    scales = 2 * LAYERS if options.kv_cache else 0
    assert len(facts.promised) == weights + scales
    assert facts.missed == ()
    assert facts.nonfinite_tensors == ()
    assert unexpected(recipe, base, results[name].built) == ()


@pytest.mark.parametrize("name", EACH)
def test_a_recipe_uses_the_whole_corpus_or_nothing_of_it(
    name: str, results: Mapping[str, Result], corpus: CalibrationTokens
) -> None:
    facts = results[name].built.facts
    whole = wants_calibration(_options(RECIPES[name]))
    expected = (corpus.sequence_count, corpus.token_count) if whole else (0, 0)
    assert (facts.calibration_sequences, facts.calibration_tokens) == expected


@pytest.mark.parametrize("name", EACH)
def test_the_variant_loads_in_its_runtime_with_finite_logits(
    name: str, results: Mapping[str, Result]
) -> None:
    probe = results[name].probe
    assert probe.loads, probe.detail
    assert probe.finite_logits


@pytest.mark.parametrize(
    ("name", "smoothed"),
    [
        ("W4A16--awq", "Awq smoothed 12 of 12 layers, 3 in each of 4 blocks"),
        ("W4A16_ASYM--awq", "Awq smoothed 12 of 12 layers, 3 in each of 4 blocks"),
        ("W8A8--smoothquant_gptq", "SmoothQuant smoothed 8 of 8 layers, 2 in each of 4 blocks"),
    ],
)
def test_every_layer_that_can_be_smoothed_was(
    name: str, smoothed: str, results: Mapping[str, Result]
) -> None:
    """Values and output projection are of different widths here, which AWQ cannot smooth across."""
    assert results[name].built.facts.warnings[0].startswith(smoothed)


@pytest.mark.parametrize("name", EACH)
def test_the_runtime_rounds_what_the_numerics_say(
    name: str, results: Mapping[str, Result], corpus: CalibrationTokens
) -> None:
    """Activations before they meet a weight, keys and values before they meet a query."""
    logging.disable_progress_bar()
    loaded = load(results[name].built.artifact)
    ids = json.loads(corpus.file.read_text().splitlines()[0])["token_ids"]
    seen = what_is_multiplied(loaded.model, torch.tensor([ids]))
    numerics = RECIPES[name].numerics
    assert rounded_values(seen.activations) == numerics.activations
    assert rounded_values(seen.cached).replace("A", "KV") == numerics.kv_cache


def test_a_quantized_cache_is_part_of_the_runtimes_identity() -> None:
    def identity(name: str) -> RuntimeIdentity:
        return TransformersRuntime().identity(RECIPES[name])

    assert identity("FP8_KV").kv_cache == identity("FP8_DYNAMIC--kv_fp8").kv_cache == "fp8"
    assert identity("FP8_DYNAMIC").kv_cache == "bf16"
    assert identity("FP8_KV").kernels == "emulated"


def test_a_recipe_repeats_bit_for_bit(
    base: Checkpoint, corpus: CalibrationTokens, results: Mapping[str, Result], tmp_path: Path
) -> None:
    again = _build(base, replace(RECIPES[REPEATED], name="again"), corpus, tmp_path)
    first = results[REPEATED].built
    file = "model.safetensors"
    assert file_digest(again.artifact / file) == file_digest(first.artifact / file)
