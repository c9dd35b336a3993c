"""Every GGUF recipe of the catalogue, really built from the example, read back and run."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from calibration.assemble import build_corpus
from calibration.spec import load_corpus_spec
from calibration.tokens import calibration_tokens
from pipelines.backends.llamacpp_file_types import FILE_TYPES
from pipelines.backends.llamacpp_messages import (
    CandidateFile,
    QuantizeCall,
    QuantizeFacts,
    Sensitivities,
    SensitivityCall,
    TensorGroup,
)
from pipelines.backends.llamacpp_mix import Mix
from pipelines.backends.protocol import BuildRequest, Built, CalibrationTokens
from pipelines.backends.workers.llamacpp_gguf import read_gguf, write_imatrix
from pipelines.build.checkpoints import resolve_checkpoint
from pipelines.build.hub import HubSettings
from pipelines.domain.audit import Divergence
from pipelines.domain.checkpoint import Checkpoint
from pipelines.domain.errors import InputError
from pipelines.domain.recipe import Calibration, Format, GgufOptions, Recipe, TensorTypeRule
from pipelines.evaluation.chat import ChatFormat
from pipelines.files.records import read_record
from pipelines.files.store import Store
from pipelines.process.calls import Reply, WorkerCall, ignore_progress
from pipelines.process.divergences import DivergenceCall, Divergences
from pipelines.process.runner import run_worker
from pipelines.runtimes.protocol import Loadable, ProbeReport, ProbeRequest
from pipelines.specs.recipes import catalogue
from pipelines.specs.suites import load_suite
from tests.integration.llamacpp_checkpoints import backend, runtime, write_lines
from tests.integration.road import EXAMPLE

pytestmark = pytest.mark.integration

# Fewer tokens than the recipes ask for: what is shown here does not hang on how many.
TOKENS = 1000
HELD_OUT_TOKENS = 4000
SIDE_BY_SIDE = 2
WEIGHTS = 4 * 7 + 1
RECIPES = {recipe.name: recipe for recipe in catalogue() if recipe.format is Format.GGUF}
MEASURED = ("mixed@2.7bpw", "mixed@3.4bpw")
UNWEIGHED = ("Q8_0", "TQ2_0", "GGUF_NVFP4", "GGUF_MXFP4")
"""What importance changes no byte of."""


@dataclass(frozen=True, slots=True)
class Result:
    """One recipe's variant, and what its runtime made of it."""

    built: Built
    probe: ProbeReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The example, its calibration tokens, and a folder in which everything is made once."""

    base: Checkpoint
    corpus: CalibrationTokens
    folder: Path

    @property
    def scratch(self) -> Path:
        """What all recipes share."""
        return self.folder / "scratch"

    def build(self, recipe: Recipe) -> Built:
        output = self.folder / recipe.name / "files"
        output.mkdir(parents=True)
        calibrated = recipe.calibration is Calibration.IMATRIX
        request = BuildRequest(
            checkpoint=self.base,
            recipe=recipe,
            calibration=self.corpus if calibrated else None,
            output=output,
            scratch=self.scratch,
            log=self.folder / recipe.name / "build.log",
            toolchain=backend().toolchain(1),
        )
        return backend().build(request, run_worker, ignore_progress)

    def f16(self) -> Path:
        return backend().convert(self.base, self.scratch, run_worker, ignore_progress)

    def imatrix(self) -> Path:
        (matrix,) = self.scratch.glob("imatrix-*/imatrix.gguf")
        return matrix

    def quantize(self, call: QuantizeCall) -> QuantizeFacts:
        return self._run("backends.workers.llamacpp_quantize", call, QuantizeFacts)

    def divergences(self, *files: Path, sequences: Path) -> tuple[Divergence, ...]:
        call = DivergenceCall(
            base=self.f16(),
            others=files,
            sequences=sequences,
            max_tokens=HELD_OUT_TOKENS,
            threads=1,
        )
        return self._run("process.workers.llamacpp_divergence", call, Divergences).values

    def sensitivities(self, call: SensitivityCall) -> Sensitivities:
        return self._run("backends.workers.llamacpp_sensitivity", call, Sensitivities)

    def _run(self, module: str, call: object, reply: type[Reply]) -> Reply:
        log = self.folder / "workers.log"
        worker = WorkerCall(module=f"pipelines.{module}", request=call, log=log, threads=1)
        return run_worker(worker, reply, ignore_progress).value


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("gguf")
    store = Store(root=folder / "store")
    source = str(EXAMPLE / "checkpoint")
    base = resolve_checkpoint(source, name="demo", store=store, hub=HubSettings())
    corpus = calibration_tokens(
        build_corpus(load_corpus_spec(EXAMPLE / "corpus.yaml"), store),
        ChatFormat.of(base.folder),
        context_length_tokens=base.context_length_tokens,
        wanted_tokens=TOKENS,
        folder=folder,
    )
    return Bench(base=base, corpus=corpus, folder=folder)


@pytest.fixture(scope="module")
def results(bench: Bench) -> Mapping[str, Result]:
    """Build and probe everything once, two at a time."""

    def result(recipe: Recipe) -> Result:
        built = bench.build(recipe)
        return Result(built, _probe(bench, built, recipe.name))

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return dict(zip(RECIPES, pool.map(result, RECIPES.values()), strict=True))


@pytest.fixture(scope="module")
def held_out(bench: Bench) -> Path:
    """Prompts of the suite, none of which any recipe was calibrated on."""
    chat = ChatFormat.of(bench.base.folder)
    rows = (
        {"id": item.id, "token_ids": list(chat.token_ids(chat.render(item.messages, ask=True)))}
        for item in load_suite(EXAMPLE / "suite").items
    )
    return write_lines(bench.folder / "held-out.jsonl", rows)


def _probe(bench: Bench, built: Built, name: str) -> ProbeReport:
    chat = ChatFormat.of(bench.base.folder)
    texts = ("Where is order 4711?", "¿Dónde está mi pedido?")
    rows = ({"id": text, "text": text, "token_ids": list(chat.token_ids(text))} for text in texts)
    request = ProbeRequest(
        loadable=Loadable(path=built.artifact, format=Format.GGUF),
        texts=write_lines(bench.folder / name / "texts.jsonl", rows),
        threads=1,
        log=bench.folder / name / "probe.log",
    )
    return runtime().probe(request, run_worker, ignore_progress)


def _options(recipe: Recipe) -> GgufOptions:
    assert isinstance(recipe.options, GgufOptions)
    return recipe.options


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_catalogue_holds_what_people_ship_with_and_without_a_matrix() -> None:
    either = {
        "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S", "Q4_0", "IQ4_XS", "Q3_K_M", "IQ3_M", "Q2_K",
    }  # fmt: skip
    needing = {"IQ3_XXS", "IQ2_M", "IQ2_XXS", "IQ1_M", "IQ1_S"}
    weighed = {f"{name}--imatrix" for name in either | needing}
    mixed = {"Q2_K--mixed", "Q4_K_S--mixed", *MEASURED}
    assert either | weighed | mixed | set(UNWEIGHED) == set(RECIPES)


def test_every_recipe_fits_the_example(bench: Bench) -> None:
    for recipe in RECIPES.values():
        assert backend().misfits(bench.base, recipe) == ()


@pytest.mark.parametrize("name", RECIPES)
def test_everything_promised_is_there_at_the_promised_cost(
    name: str, results: Mapping[str, Result]
) -> None:
    recipe, facts = RECIPES[name], results[name].built.facts
    wanted = recipe.bits_per_weight
    assert len(facts.promised) == WEIGHTS
    assert (facts.missed, facts.nonfinite_tensors, facts.uncovered) == ((), (), ())
    assert facts.warnings == ()
    assert wanted.low <= facts.bits_per_weight <= wanted.high
    assert (facts.calibration_tokens > 0) == (recipe.calibration is Calibration.IMATRIX)


@pytest.mark.parametrize("name", RECIPES)
def test_the_types_are_those_of_the_label(name: str, results: Mapping[str, Result]) -> None:
    options = _options(RECIPES[name])
    found = Counter(t.type for t in results[name].built.facts.tensors if t.quantized)
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


@pytest.mark.parametrize("name", RECIPES)
def test_it_loads_and_its_logits_are_finite(name: str, results: Mapping[str, Result]) -> None:
    probe = results[name].probe
    assert probe.loads, probe.detail
    assert probe.finite_logits, probe.detail
    assert (probe.compared_texts, probe.mismatched_texts) == (2, ())


def test_the_base_is_converted_and_the_matrix_and_sensitivities_computed_once(
    bench: Bench, results: Mapping[str, Result]
) -> None:
    assert results
    kinds = Counter(path.name.rpartition("-")[0] for path in bench.scratch.glob("[!.]*"))
    assert kinds == {"gguf-f16": 1, "imatrix": 1, "sensitivities": 1}
    assert not list(bench.scratch.glob("sensitivities-*/*.gguf"))


def test_a_matrix_changes_every_recipe_that_has_a_twin_with_one(
    results: Mapping[str, Result],
) -> None:
    twins = [name for name in RECIPES if f"{name}--imatrix" in RECIPES]
    for name in twins:
        files = {_sha256(results[one].built.artifact) for one in (name, f"{name}--imatrix")}
        assert len(files) == 2, name


@pytest.mark.parametrize("name", UNWEIGHED)
def test_a_matrix_changes_no_byte_of_a_recipe_that_has_no_twin(
    name: str, bench: Bench, results: Mapping[str, Result]
) -> None:
    options = _options(RECIPES[name])
    call = QuantizeCall(
        source=bench.f16(),
        output=bench.folder / f"{name}-weighed.gguf",
        file_type=options.file_type,
        imatrix=bench.imatrix(),
        threads=1,
        tensor_types=options.tensor_types,
    )
    assert bench.quantize(call).uncovered == ()
    assert _sha256(call.output) == _sha256(results[name].built.artifact)


def test_a_mix_by_hand_gives_the_named_tensors_the_named_types(
    results: Mapping[str, Result],
) -> None:
    types = {t.name: t.type for t in results["Q2_K--mixed"].built.facts.tensors}
    named = ("token_embd.weight", "blk.3.attn_v.weight", "blk.0.ffn_up.weight")
    assert {types[name] for name in named} == {"Q4_K"}
    assert types["blk.3.ffn_up.weight"] == "Q2_K"
    assert types["blk.2.ffn_down.weight"] == "Q3_K", "the file type's own rule"


def test_a_measured_mix_tells_what_was_measured_and_why_each_group_has_its_type(
    results: Mapping[str, Result],
) -> None:
    for name in MEASURED:
        built = results[name].built
        mix = read_record(Mix, built.artifact.parent / "mix.json")
        options = _options(RECIPES[name])
        assert options.mix is not None
        assert mix.bits_per_weight <= options.mix.budget_bits_per_weight
        assert mix.bits_per_weight == pytest.approx(built.facts.bits_per_weight)
        types = {tensor.name: tensor.type for tensor in built.facts.tensors}
        assert all(types[t] == one.type for one in mix.assignment for t in one.tensors)
        measured = {(one.group, one.type): one for one in mix.sensitivities.measured}
        assert mix.added_up == pytest.approx(
            sum(measured[one.group, one.type].divergence.mean_kl for one in mix.assignment)
        )


@pytest.mark.parametrize("uniform", ["Q2_K--imatrix", "IQ2_M--imatrix"])
def test_a_measured_mix_diverges_less_than_the_uniform_recipe_of_its_size(
    uniform: str, bench: Bench, results: Mapping[str, Result], held_out: Path
) -> None:
    """On text that neither was calibrated on, by half at the least."""
    rival = results[uniform].built
    template = RECIPES[MEASURED[0]]
    options = _options(template)
    assert options.mix is not None
    budget = rival.facts.bits_per_weight
    recipe = replace(
        template,
        name=f"mixed-as-{uniform}",
        options=replace(options, mix=replace(options.mix, budget_bits_per_weight=budget)),
    )
    mixed = bench.build(recipe)
    assert mixed.facts.bits_per_weight <= budget
    ours, theirs = bench.divergences(mixed.artifact, rival.artifact, sequences=held_out)
    print(
        f"{uniform} at {budget:.3f} bits: {theirs.mean_kl:.4f} nats a token; "
        f"mix at {mixed.facts.bits_per_weight:.3f}: {ours.mean_kl:.4f}"
    )
    assert ours.mean_kl < 0.75 * theirs.mean_kl


def test_a_group_tried_in_a_loaded_model_diverges_as_the_file_that_has_it(bench: Bench) -> None:
    """Batches are laid out differently, which is all that may differ."""
    lowered = QuantizeCall(
        source=bench.f16(),
        output=bench.folder / "lowered.gguf",
        file_type="Q8_0",
        imatrix=None,
        threads=1,
        tensor_types=(
            TensorTypeRule(pattern=r"^blk\.[12]\.ffn_up", type="Q2_K"),
            TensorTypeRule(pattern="weight", type="F16"),
        ),
    )
    facts = bench.quantize(lowered)
    tensors = tuple(tensor for tensor in facts.tensors if tensor.quantized)
    assert len(tensors) == 2
    group = TensorGroup(
        name="ffn_up 1-2",
        tensors=tuple(tensor.name for tensor in tensors),
        parameter_count=sum(tensor.parameter_count for tensor in tensors),
        types=("Q2_K",),
    )
    call = SensitivityCall(
        base=bench.f16(),
        candidates=(CandidateFile(type="Q2_K", path=lowered.output),),
        groups=(group,),
        tokens=bench.corpus.file,
        max_tokens=10 * TOKENS,
        max_length_tokens=bench.corpus.max_length_tokens,
        threads=1,
    )
    (tried,) = bench.sensitivities(call).measured
    (written,) = bench.divergences(lowered.output, sequences=bench.corpus.file)
    assert written.mean_kl > 0
    assert tried.divergence.mean_kl == pytest.approx(written.mean_kl, rel=0.02)


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


def test_entries_missing_from_a_matrix_are_named(
    bench: Bench, results: Mapping[str, Result]
) -> None:
    """llama.cpp writes such a file without a word, and those tensors as if there were no matrix."""
    assert results
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
