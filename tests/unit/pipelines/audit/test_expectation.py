"""Files are held to what their recipe makes of these very shapes, to the last tensor."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.audit.expectation import audit_expectation
from quantgate.pipelines.domain.checkpoint import TensorFacts
from quantgate.pipelines.domain.recipe import (
    BitsPerWeight,
    GgufOptions,
    MeasuredMix,
    Recipe,
    TensorTypeRule,
)
from quantgate.pipelines.domain.variant import ExpectedSize, QuantizedTensor
from quantgate.pipelines.engines.contents import Contents
from quantgate.pipelines.engines.expected import expected_tensors
from quantgate.pipelines.engines.llamacpp.types.facts import GgufModel, GgufWeight
from quantgate.pipelines.engines.llamacpp.types.rules import target_types
from quantgate.pipelines.specs.recipes import find_recipes
from tests.support.fakes import fake_checkpoint

LAYERS = 32
MODEL = GgufModel(layers=LAYERS, heads=32, kv_heads=32)
NOTHING = Contents(tensors=(), file_type=-1, quantization={}, stop_token_ids=())


def recipe(name: str) -> Recipe:
    return find_recipes((name,), Path())[0]


def weights(*, head: bool = True, row: int = 4096) -> tuple[GgufWeight, ...]:
    inside = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    names = [f"blk.{layer}.{name}.weight" for layer in range(LAYERS) for name in inside]
    names += ["token_embd.weight", *(["output.weight"] if head else [])]
    return tuple(GgufWeight(name=name, shape=(64, row)) for name in names)


def of_kind(types: dict[str, str], kind: str) -> list[str]:
    return [types[f"blk.{layer}.{kind}.weight"] for layer in range(LAYERS)]


def test_q4_k_m_widens_the_first_and_last_eighth_and_every_third_layer_between() -> None:
    types = target_types(weights(), MODEL, "Q4_K_M")
    wide = [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31]
    for kind in ("attn_v", "ffn_down"):
        found = of_kind(types, kind)
        assert [layer for layer, one in enumerate(found) if one == "Q6_K"] == wide
    assert set(of_kind(types, "ffn_up")) == {"Q4_K"}
    assert (types["output.weight"], types["token_embd.weight"]) == ("Q6_K", "Q4_K")


def test_embeddings_that_are_the_head_get_the_heads_type() -> None:
    assert target_types(weights(head=False), MODEL, "Q4_K_M")["token_embd.weight"] == "Q6_K"
    tiny = target_types(weights(head=False), MODEL, "IQ2_XXS", has_imatrix=True)
    assert tiny["token_embd.weight"] == "Q5_K"
    assert target_types(weights(), MODEL, "IQ2_XXS")["token_embd.weight"] == "Q2_K"


def test_rows_that_a_block_does_not_divide_get_another_type_or_stay_whole() -> None:
    assert set(of_kind(target_types(weights(row=576), MODEL, "Q4_K_M"), "ffn_up")) == {"Q5_0"}
    assert set(of_kind(target_types(weights(row=80), MODEL, "Q4_K_M"), "ffn_up")) == {"F16"}


def test_a_matrix_of_one_row_is_a_vector_and_stays_whole() -> None:
    row = GgufWeight(name="blk.0.ffn_gate_inp_shexp.weight", shape=(1, 4096))
    assert target_types((row,), MODEL, "Q4_K_M") == {}


def test_values_that_many_queries_share_get_more_bits() -> None:
    grouped = replace(MODEL, kv_heads=8)
    assert set(of_kind(target_types(weights(), grouped, "Q2_K"), "attn_v")) == {"Q4_K"}
    assert set(of_kind(target_types(weights(), MODEL, "Q2_K"), "attn_v")) == {"Q3_K"}


def test_a_rule_counts_before_the_file_type_and_its_tensor_is_not_counted() -> None:
    rules = (TensorTypeRule(pattern=r"blk\.0\.attn_v", type="Q8_0"),)
    types = of_kind(target_types(weights(), MODEL, "Q3_K_M", rules=rules), "attn_v")
    assert types[:4] == ["Q8_0", "Q5_K", "Q5_K", "Q4_K"], "the first two that are not overridden"


def tensor(name: str, kind: str, bits: float, *, count: int = 1000) -> QuantizedTensor:
    return QuantizedTensor(
        name=name,
        type=kind,
        parameter_count=count,
        bits_per_weight=bits,
        quantized=kind not in ("F16", "F32", "BF16"),
    )


EXPECTED = (
    tensor("token_embd", "Q6_K", 6.5625),
    tensor("down", "Q6_K", 6.5625),
    tensor("up", "Q4_K", 4.5),
    tensor("norm", "F32", 32.0, count=10),
)


def misses(
    written: Sequence[QuantizedTensor], of: Recipe | None = None, expected: object = EXPECTED
) -> dict[str, str]:
    assert isinstance(expected, tuple)
    findings = audit_expectation(of or recipe("Q4_K_M"), expected, written)
    return {finding.check: finding.found for finding in findings if not finding.passed}


def test_a_file_that_is_what_was_expected_passes() -> None:
    assert misses(EXPECTED) == {}


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ((*EXPECTED[:2], tensor("up", "Q3_K", 3.4375), EXPECTED[3]), "up is Q3_K at 3.438 bits"),
        ((*EXPECTED[:2], tensor("up", "F16", 16.0), EXPECTED[3]), "not Q4_K at 4.5 bits"),
        (EXPECTED[1:], "token_embd is missing"),
        ((*EXPECTED, tensor("head", "Q6_K", 6.5625)), "head (Q6_K at 6.562 bits) is not expected"),
        ((*EXPECTED[:3], tensor("norm", "Q8_0", 8.5, count=10)), "norm is Q8_0"),
    ],
    ids=["fewer bits", "left whole", "missing", "one more", "a norm that was quantized"],
)
def test_one_other_tensor_is_caught_and_named(
    written: tuple[QuantizedTensor, ...], told: str
) -> None:
    assert told in misses(written)["tensor types"]


def test_two_exchanged_types_are_caught_although_the_mean_is_equal() -> None:
    swapped = (
        EXPECTED[0],
        tensor("down", "Q4_K", 4.5),
        tensor("up", "Q6_K", 6.5625),
        EXPECTED[3],
    )
    assert set(misses(swapped)) == {"tensor types"}


def test_what_stays_whole_may_do_so_in_any_float() -> None:
    assert misses((*EXPECTED[:3], tensor("norm", "BF16", 16.0, count=10))) == {}


def test_a_table_of_whole_numbers_stays_what_it_is() -> None:
    table = replace(tensor("routes", "I64", 64.0), quantized=False)
    expected = (*EXPECTED, table)
    assert misses(expected, expected=expected) == {}
    rounded = replace(table, type="F16", bits_per_weight=16.0)
    assert "routes is F16" in misses((*EXPECTED, rounded), expected=expected)["tensor types"]


def test_a_range_that_its_author_states_holds_besides() -> None:
    strict = replace(recipe("Q4_K_M"), bits_per_weight=BitsPerWeight(low=4.0, high=5.0))
    assert set(misses(EXPECTED, strict)) == {"bits per weight"}
    wide = replace(recipe("Q4_K_M"), bits_per_weight=BitsPerWeight(low=4.0, high=7.0))
    assert misses(EXPECTED, wide) == {}


def test_nothing_expected_is_nothing_that_passes() -> None:
    assert set(misses((), expected=())) == {"tensor types", "bits per weight"}


def test_a_measured_mix_holds_candidates_within_its_budget() -> None:
    mix = MeasuredMix(budget_bits_per_weight=5.0, candidates=("Q3_K", "Q4_K", "Q6_K"))
    mixed = replace(recipe("Q4_K_M"), options=GgufOptions(file_type="Q4_K_M", mix=mix))
    expected = tuple(tensor(name, "mix", 5.0) for name in ("a", "b"))
    sound = (tensor("a", "Q6_K", 6.5625), tensor("b", "Q3_K", 3.4375))
    assert misses(sound, mixed, expected) == {}
    above = (tensor("a", "Q6_K", 6.5625), tensor("b", "Q4_K", 4.5))
    assert set(misses(above, mixed, expected)) == {"bits per weight"}
    stranger = (tensor("a", "Q5_K", 5.5), tensor("b", "Q3_K", 3.4375))
    assert set(misses(stranger, mixed, expected)) == {"tensor types"}


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("W4A16--gptq", 4 + 16 / 128 + 128 / (4096 * 4096)),
        ("W4A16--gptq_g32", 4 + 16 / 32 + 128 / (4096 * 4096)),
        ("W4A16_ASYM--awq", 4 + 16 / 128 + 4 / 128 + 128 / (4096 * 4096)),
        ("W8A16", 8 + 16 / 128 + 128 / (4096 * 4096)),
        ("W8A8", 8 + 16 / 4096),
        ("FP8", 8 + 16 / (4096 * 4096)),
        ("FP8_DYNAMIC", 8 + 16 / 4096),
        ("FP8_BLOCK", 8 + 16 / (128 * 128)),
        ("NVFP4", 4 + 8 / 16 + 32 / (4096 * 4096)),
        ("MXFP4", 4 + 8 / 32),
        ("MXFP8", 8 + 8 / 32),
        ("AWQ", 4 + 16 / 128 + 4 / 128),
        ("GPTQ", 4 + 16 / 128 + 4 / 128 + 32 / 4096),
    ],
)
def test_a_schemes_cost_is_its_values_and_all_that_stands_beside_them(
    name: str, bits: float, tmp_path: Path
) -> None:
    tensors = (
        TensorFacts(name="model.embed_tokens.weight", shape=(1000, 4096), dtype="BF16"),
        TensorFacts(name="model.layers.0.mlp.up_proj.weight", shape=(4096, 4096), dtype="BF16"),
        TensorFacts(name="model.norm.weight", shape=(4096,), dtype="BF16"),
    )
    checkpoint = replace(fake_checkpoint(tmp_path / "model"), tensors=tensors)
    embeddings, layer, norm = expected_tensors(checkpoint, recipe(name), NOTHING)
    assert layer.quantized and not embeddings.quantized and not norm.quantized
    assert layer.bits_per_weight == pytest.approx(bits, abs=1e-12)
    size = ExpectedSize.of((embeddings, layer, norm))
    assert size.bits_per_weight == pytest.approx(bits)
    assert size.file_bits_per_weight > size.bits_per_weight, "embeddings stay in 16 bits"
