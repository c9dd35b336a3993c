"""Every GGUF recipe of the catalogue, really built from the example, read back and run."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.recipe import Calibration, Format, TensorTypeRule
from quantgate.pipelines.engines.backend import Built
from quantgate.pipelines.engines.contents import gguf_contents
from quantgate.pipelines.engines.llamacpp.build_messages import (
    QuantizeCall,
)
from quantgate.pipelines.engines.llamacpp.types.table import FILE_TYPES
from quantgate.pipelines.engines.llamacpp.workers.building.gguf import read_gguf, write_imatrix
from quantgate.pipelines.engines.requests import Loadable, ProbeReport, ProbeRequest
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.support.builds.expectations import unexpected
from tests.support.llamacpp.bench import RECIPES, Bench, gguf_options, make_bench
from tests.support.llamacpp.checkpoints import backend, runtime, write_lines

pytestmark = pytest.mark.integration

WEIGHTS = 4 * 7 + 1
UNWEIGHED = ("Q8_0", "TQ2_0", "GGUF_NVFP4", "GGUF_MXFP4")
"""What importance changes no byte of."""
SOON = (*UNWEIGHED, "Q4_K_M", "Q4_K_M--imatrix", "IQ3_XXS--imatrix", "Q2_K--mixed")
"""One recipe of each kind; the others take minutes more, a mix alone 40 seconds (test_mixes.py has two)."""
EVERY_RECIPE = [
    pytest.param(name, marks=() if name in SOON else pytest.mark.slow) for name in RECIPES
]


@dataclass(frozen=True, slots=True)
class Result:
    """One recipe's variant, and what its runtime made of it."""

    built: Built
    probe: ProbeReport


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return make_bench(tmp_path_factory)


Results = Callable[[str], Result]
"""Builds and probes a recipe of this name, once."""


@pytest.fixture(scope="module")
def results(bench: Bench) -> Results:
    @cache
    def result(name: str) -> Result:
        built = bench.build(RECIPES[name])
        return Result(built, _probe(bench, built, name))

    return result


def _probe(bench: Bench, built: Built, name: str) -> ProbeReport:
    folder = bench.folder / name
    folder.mkdir(exist_ok=True)
    chat = ChatFormat.of(bench.base.folder)
    texts = ("Where is order 4711?", "¿Dónde está mi pedido?")
    rows = ({"id": text, "text": text, "token_ids": list(chat.token_ids(text))} for text in texts)
    request = ProbeRequest(
        loadable=Loadable(path=built.artifact, format=Format.GGUF),
        texts=write_lines(folder / "texts.jsonl", rows),
        threads=1,
        log=folder / "probe.log",
    )
    return runtime().probe(request, run_worker, ignore_progress)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_catalogue_holds_what_people_ship_with_and_without_a_matrix() -> None:
    either = {
        "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S", "Q4_0", "IQ4_XS", "Q3_K_M", "IQ3_M", "Q2_K",
    }  # fmt: skip
    needing = {"IQ3_XXS", "IQ2_M", "IQ2_XXS", "IQ1_M", "IQ1_S"}
    weighed = {f"{name}--imatrix" for name in either | needing}
    mixed = {"Q2_K--mixed", "Q4_K_S--mixed", "mixed@2.7bpw", "mixed@3.4bpw"}
    assert either | weighed | mixed | set(UNWEIGHED) == set(RECIPES)


def test_every_recipe_fits_the_example(bench: Bench) -> None:
    for recipe in RECIPES.values():
        assert backend().misfits(bench.base, recipe) == ()


@pytest.mark.parametrize("name", EVERY_RECIPE)
def test_everything_promised_is_there_at_the_promised_cost(
    name: str, bench: Bench, results: Results
) -> None:
    recipe, facts = RECIPES[name], results(name).built.facts
    assert len(facts.promised) == WEIGHTS
    assert (facts.missed, facts.nonfinite_tensors, facts.uncovered) == ((), (), ())
    assert facts.warnings == ()
    base = gguf_contents(bench.f16())
    assert unexpected(recipe, bench.base, results(name).built, base) == ()
    assert (facts.calibration_tokens > 0) == (recipe.calibration is Calibration.IMATRIX)


@pytest.mark.parametrize("name", EVERY_RECIPE)
def test_the_types_are_those_of_the_label(name: str, results: Results) -> None:
    options = gguf_options(RECIPES[name])
    found = Counter(t.type for t in results(name).built.facts.tensors if t.quantized)
    if options.mix is not None:
        assert set(found) <= set(options.mix.candidates)
        assert len(found) > 1
        return
    ruled = {rule.type for rule in options.tensor_types}
    own = FILE_TYPES[options.file_type].tensor_type.name
    assert {own, *ruled} <= set(found)
    if not ruled or name.startswith("GGUF_"):
        main = next(iter(ruled), own)
        assert found.most_common(1)[0][0] == main


@pytest.mark.parametrize("name", EVERY_RECIPE)
def test_it_loads_and_its_logits_are_finite(name: str, results: Results) -> None:
    probe = results(name).probe
    assert probe.loads, probe.detail
    assert probe.finite_logits, probe.detail
    assert (probe.compared_texts, probe.mismatched_texts) == (2, ())


def test_the_base_is_converted_and_the_matrix_computed_once(bench: Bench, results: Results) -> None:
    for name in ("Q4_K_M", "Q4_K_M--imatrix", "Q2_K--mixed"):
        assert results(name).built.facts.promised
    kinds = _kinds(bench)
    assert (kinds["gguf-f16"], kinds["imatrix"]) == (1, 1)


@pytest.mark.slow
def test_sensitivities_are_computed_once(bench: Bench, results: Results) -> None:
    for name in ("mixed@2.7bpw", "mixed@3.4bpw"):
        assert results(name).built.facts.promised
    assert _kinds(bench)["sensitivities"] == 1
    assert not list(bench.scratch.glob("sensitivities-*/*.gguf"))


def _kinds(bench: Bench) -> Counter[str]:
    return Counter(path.name.rpartition("-")[0] for path in bench.scratch.glob("[!.]*"))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in SOON else pytest.mark.slow)
        for name in RECIPES
        if f"{name}--imatrix" in RECIPES
    ],
)
def test_a_matrix_changes_a_recipe_that_has_a_twin_with_one(name: str, results: Results) -> None:
    files = {_sha256(results(one).built.artifact) for one in (name, f"{name}--imatrix")}
    assert len(files) == 2


@pytest.mark.parametrize("name", UNWEIGHED)
def test_a_matrix_changes_no_byte_of_a_recipe_that_has_no_twin(
    name: str, bench: Bench, results: Results
) -> None:
    options = gguf_options(RECIPES[name])
    call = QuantizeCall(
        source=bench.f16(),
        output=bench.folder / f"{name}-weighed.gguf",
        file_type=options.file_type,
        imatrix=bench.imatrix(),
        threads=1,
        tensor_types=options.tensor_types,
    )
    assert bench.quantize(call).uncovered == ()
    assert _sha256(call.output) == _sha256(results(name).built.artifact)


def test_a_pattern_that_matches_no_tensor_is_refused_by_name(bench: Bench) -> None:
    call = QuantizeCall(
        source=bench.f16(),
        output=bench.folder / "idle.gguf",
        file_type="Q4_0",
        imatrix=None,
        threads=1,
        tensor_types=(TensorTypeRule(pattern="ssm_out", type="Q8_0"),),
    )
    with pytest.raises(InputError, match="'ssm_out' matches none of 29 tensors"):
        bench.quantize(call)


def test_entries_missing_from_a_matrix_are_named(bench: Bench) -> None:
    """llama.cpp writes such a file without a word, and those tensors as if there were no matrix."""
    name = "blk.2.ffn_down.weight"
    holed = bench.folder / "holed.gguf"
    with read_gguf(bench.imatrix()) as gguf:
        tensors = {tensor.name: tensor for tensor in gguf.tensors}
        weights = [one.removesuffix(".counts") for one in tensors if one.endswith(".counts")]
        entries = {
            weight: (
                gguf.floats(tensors[f"{weight}.in_sum2"]).reshape(1, -1),
                gguf.floats(tensors[f"{weight}.counts"]),
            )
            for weight in weights
            if weight != name
        }
    write_imatrix(holed, entries, dataset="holed", chunk_count=1, chunk_size_tokens=512)
    call = QuantizeCall(
        source=bench.f16(),
        output=bench.folder / "starved.gguf",
        file_type="Q4_K_M",
        imatrix=holed,
        threads=1,
    )
    facts = bench.quantize(call)
    assert facts.uncovered == (name,)
    assert facts.warnings == ()
