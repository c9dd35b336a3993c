"""Mixed GGUF recipes, by hand and measured: what gets which type, why, and what that is worth."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.recipe import TensorTypeRule
from quantgate.pipelines.engines.backend import Built
from quantgate.pipelines.engines.llamacpp.build_messages import (
    CandidateFile,
    QuantizeCall,
    SensitivityCall,
    TensorGroup,
)
from quantgate.pipelines.engines.llamacpp.mix import TypeMix
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.files.records import read_record
from quantgate.pipelines.suites.load import load_suite
from tests.support.llamacpp.bench import RECIPES, TOKENS, Bench, gguf_options, make_bench
from tests.support.llamacpp.checkpoints import write_lines
from tests.support.project import EXAMPLE

pytestmark = pytest.mark.integration

BY_HAND = "Q2_K--mixed"
MEASURED = ("mixed@2.7bpw", pytest.param("mixed@3.4bpw", marks=pytest.mark.slow))
TEMPLATE = "mixed@2.7bpw"
UNIFORM = ("Q2_K--imatrix", pytest.param("IQ2_M--imatrix", marks=pytest.mark.slow))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return make_bench(tmp_path_factory)


class BuiltRecipes(dict[str, Built]):
    """Variants by a recipe's name; each is built when it is first asked for."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self._bench = bench

    def __missing__(self, name: str) -> Built:
        self[name] = self._bench.build(RECIPES[name])
        return self[name]


@pytest.fixture(scope="module")
def built(bench: Bench) -> Mapping[str, Built]:
    """Mixes, and the uniform recipes that they are held against."""
    return BuiltRecipes(bench)


@pytest.fixture(scope="module")
def held_out(bench: Bench) -> Path:
    """Prompts of the suite, none of which any recipe was calibrated on."""
    chat = ChatFormat.of(bench.base.folder)
    rows = (
        {"id": item.id, "token_ids": list(chat.token_ids(chat.render(item.messages, ask=True)))}
        for item in load_suite(EXAMPLE / "suite").items
    )
    return write_lines(bench.folder / "held-out.jsonl", rows)


def test_a_mix_by_hand_gives_the_named_tensors_the_named_types(
    built: Mapping[str, Built],
) -> None:
    types = {t.name: t.type for t in built[BY_HAND].facts.tensors}
    named = ("token_embd.weight", "blk.3.attn_v.weight", "blk.0.ffn_up.weight")
    assert {types[name] for name in named} == {"Q4_K"}
    assert types["blk.3.ffn_up.weight"] == "Q2_K"
    assert types["blk.2.ffn_down.weight"] == "Q3_K", "the file type's own rule"


@pytest.mark.parametrize("name", MEASURED)
def test_a_measured_mix_tells_what_was_measured_and_why_each_group_has_its_type(
    name: str, built: Mapping[str, Built]
) -> None:
    variant = built[name]
    mix = read_record(TypeMix, variant.artifact.parent / "mix.json")
    options = gguf_options(RECIPES[name])
    assert options.mix is not None
    assert mix.bits_per_weight <= options.mix.budget_bits_per_weight
    assert mix.bits_per_weight == pytest.approx(variant.facts.bits_per_weight)
    types = {tensor.name: tensor.type for tensor in variant.facts.tensors}
    assert all(types[t] == one.type for one in mix.assignment for t in one.tensors)
    measured = {(one.group, one.type): one for one in mix.sensitivities.measured}
    assert mix.added_up == pytest.approx(
        sum(measured[one.group, one.type].divergence.mean_kl for one in mix.assignment)
    )


@pytest.mark.parametrize("uniform", UNIFORM)
def test_a_measured_mix_diverges_less_than_the_uniform_recipe_of_its_size(
    uniform: str, bench: Bench, built: Mapping[str, Built], held_out: Path
) -> None:
    """On text that neither was calibrated on, by half at the least."""
    rival = built[uniform]
    template = RECIPES[TEMPLATE]
    options = gguf_options(template)
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
        calibration=bench.corpus,
        max_tokens=10 * TOKENS,
        threads=1,
    )
    (tried,) = bench.sensitivities(call).measured
    (written,) = bench.divergences(lowered.output, sequences=bench.corpus.file)
    assert written.mean_kl > 0
    assert tried.divergence.mean_kl == pytest.approx(written.mean_kl, rel=0.02)
