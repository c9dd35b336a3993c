"""Which recipes fit which checkpoints, known before anything is converted."""

from pathlib import Path

import pytest

from quantgate.pipelines.domain.checkpoint import Checkpoint, CheckpointDigests, TensorFacts
from quantgate.pipelines.domain.recipe import (
    BitsPerWeight,
    Calibration,
    Format,
    GgufOptions,
    MeasuredMix,
    Numerics,
    Recipe,
    TensorTypeRule,
)
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.engines.llamacpp.types.misfits import misfits
from quantgate.pipelines.engines.llamacpp.types.table import FILE_TYPES, TENSOR_TYPES
from quantgate.pipelines.engines.llamacpp.types.tensor_names import (
    GLM5_NEXT,
    gguf_name,
    is_quantized,
)
from quantgate.pipelines.specs.recipes import catalogue, find_recipes


def checkpoint(*shapes: tuple[str, tuple[int, ...]]) -> Checkpoint:
    digest = Digest("0" * 64)
    return Checkpoint(
        name="tiny",
        source="tiny",
        folder=Path("tiny"),
        digests=CheckpointDigests(
            weights=digest, tokenizer=digest, chat_template=digest, config=digest
        ),
        architecture="LlamaForCausalLM",
        dtype="float16",
        parameter_count=1,
        size_bytes=2,
        context_length_tokens=128,
        tensors=tuple(TensorFacts(name=name, shape=shape, dtype="F16") for name, shape in shapes),
    )


def found(
    options: GgufOptions, *shapes: tuple[str, tuple[int, ...]], imatrix: bool = False
) -> tuple[str, ...]:
    """Return the misfits of a recipe with these options and a checkpoint of these shapes."""
    recipe = Recipe(
        name="tried",
        description="",
        scheme=options.file_type,
        algorithm="k-quant",
        format=Format.GGUF,
        numerics=Numerics(weights="W4", activations="A8", kv_cache="KV16"),
        runtime="llamacpp",
        calibration=Calibration.IMATRIX if imatrix else Calibration.NONE,
        calibration_tokens=100,
        bits_per_weight=BitsPerWeight(low=4.5, high=5.2),
        options=options,
    )
    return misfits(checkpoint(*shapes), recipe, options)


def plain(file_type: str) -> GgufOptions:
    return GgufOptions(file_type=file_type)


def strict(file_type: str) -> GgufOptions:
    return GgufOptions(file_type=file_type, strict_shapes=True)


def ruled(pattern: str, kind: str) -> GgufOptions:
    return GgufOptions(file_type="Q8_0", tensor_types=(TensorTypeRule(pattern=pattern, type=kind),))


def mixed(budget: float, *candidates: str) -> GgufOptions:
    mix = MeasuredMix(budget_bits_per_weight=budget, candidates=candidates)
    return GgufOptions(file_type="Q2_K", mix=mix)


UP = "model.layers.0.mlp.up_proj.weight"
DOWN = "model.layers.3.mlp.down_proj.weight"


def test_rows_of_whole_blocks_fit() -> None:
    assert found(plain("Q4_K_M"), (UP, (500, 256)), (DOWN, (256, 512))) == ()


def test_rows_that_another_type_can_hold_fit_unless_the_recipe_is_strict() -> None:
    assert found(plain("Q4_K_M"), (DOWN, (256, 96))) == ()
    assert found(strict("Q4_K_M"), (DOWN, (256, 96)))


def test_a_misfit_names_the_weight_its_row_the_block_and_the_nearest_recipe_that_fits() -> None:
    (sentence,) = found(strict("Q4_K_M"), (DOWN, (256, 96)))
    assert DOWN in sentence
    assert "rows of 96 weights and Q4_K works in blocks of 256" in sentence
    assert sentence.endswith("Q4_0 fits")


def test_the_nearest_recipe_that_fits_is_one_of_the_catalogue() -> None:
    for recipe in catalogue():
        if not isinstance(recipe.options, GgufOptions):
            continue
        for sentence in misfits(checkpoint((DOWN, (256, 96))), recipe, recipe.options):
            if "works in blocks" not in sentence:
                continue
            name = sentence.rpartition(": ")[2].removesuffix(" fits")
            (alternative,) = find_recipes((name,), Path())
            assert isinstance(alternative.options, GgufOptions)
            assert not misfits(checkpoint((DOWN, (256, 96))), alternative, alternative.options)


def test_rows_of_no_multiple_of_32_fit_nothing() -> None:
    (sentence,) = found(plain("Q8_0"), (DOWN, (256, 100)))
    assert "no GGUF recipe fits" in sentence


def test_rows_of_no_multiple_of_64_do_not_fit_nvfp4() -> None:
    (sentence,) = found(ruled(r"^blk\.", "NVFP4"), (DOWN, (256, 96)))
    assert "NVFP4 works in blocks of 64" in sentence


def test_many_layers_of_one_row_size_are_one_sentence() -> None:
    shapes = [(f"model.layers.{layer}.mlp.up_proj.weight", (64, 96)) for layer in range(40)]
    (sentence,) = found(strict("Q2_K"), *shapes)
    assert "and 39 more" in sentence


@pytest.mark.parametrize(
    "name",
    [
        "model.embed_tokens.weight",
        "lm_head.weight",
        "model.layers.0.input_layernorm.weight",
        "model.layers.0.block_sparse_moe.gate.weight",
        "model.layers.0.mlp.gate.weight",
        "model.layers.0.self_attn.q_proj.bias",
    ],
)
def test_what_llama_cpp_does_not_quantize_by_the_file_type_is_no_misfit(name: str) -> None:
    assert found(plain("Q4_K_M"), (name, (8, 100))) == ()


def test_a_gate_projection_is_not_mistaken_for_a_router() -> None:
    assert found(plain("Q4_K_M"), ("model.layers.0.mlp.gate_proj.weight", (8, 100)))


def test_a_pattern_that_matches_no_weight_is_a_misfit_where_all_names_are_known() -> None:
    (sentence,) = found(ruled("ssm_out", "Q6_K"), (UP, (64, 256)), (DOWN, (64, 256)))
    assert "'ssm_out' matches none of the checkpoint's weights" in sentence


def test_a_pattern_may_mean_a_weight_whose_name_the_converter_alone_knows() -> None:
    strange = "model.layers.0.mixer.out_proj.weight"
    assert found(ruled("ssm_out", "Q6_K"), (strange, (64, 256))) == ()


def test_the_first_pattern_that_matches_decides_about_the_block() -> None:
    rules = (
        TensorTypeRule(pattern="ffn_down", type="Q8_0"),
        TensorTypeRule(pattern="blk", type="Q6_K"),
    )
    options = GgufOptions(file_type="Q4_K_M", tensor_types=rules)
    assert found(options, (DOWN, (64, 96)), (UP, (64, 256))) == ()


def test_unknown_types_and_broken_patterns_are_named() -> None:
    (unknown,) = found(ruled("blk", "Q9_K"), (UP, (64, 256)))
    assert "no tensor to Q9_K; known: Q8_0" in unknown
    (broken,) = found(ruled("blk(", "Q6_K"), (UP, (64, 256)))
    assert "'blk(' is no regular expression" in broken


def test_a_type_that_needs_importance_is_a_misfit_without_a_matrix_and_on_embeddings() -> None:
    (sentence,) = found(ruled("ffn_up", "IQ2_XXS"), (UP, (64, 256)))
    assert "IQ2_XXS is garbage without an importance matrix" in sentence
    embeddings = ("model.embed_tokens.weight", (64, 256))
    (bare,) = found(ruled("token_embd", "IQ2_XXS"), embeddings, imatrix=True)
    assert "token_embd.weight has no importance" in bare


def test_a_mix_takes_a_matrix_a_candidate_for_embeddings_and_a_budget_that_can_be_kept() -> None:
    fitting = (UP, (64, 256))
    (uncalibrated,) = found(mixed(4, "Q2_K", "Q6_K"), fitting)
    assert "calibration: imatrix" in uncalibrated
    (bare,) = found(mixed(4, "IQ2_XXS", "IQ3_XXS"), fitting, imatrix=True)
    assert "embeddings have no importance" in bare
    (poor,) = found(mixed(2, "Q2_K", "Q6_K"), fitting, imatrix=True)
    assert "a budget of 2 bits a weight is below Q2_K's 2.625" in poor
    assert found(mixed(4, "Q2_K", "Q6_K"), fitting, imatrix=True) == ()


def test_names_of_the_usual_weights_are_known() -> None:
    assert gguf_name("model.layers.12.self_attn.o_proj.weight") == "blk.12.attn_output.weight"
    assert (
        gguf_name("model.layers.1.mlp.experts.7.down_proj.weight") == "blk.1.ffn_down_exps.weight"
    )
    assert gguf_name("lm_head.weight") == "output.weight"
    assert gguf_name("model.layers.1.mamba.in_proj.weight") is None


def test_norms_and_routers_are_never_quantized() -> None:
    assert is_quantized("blk.0.ffn_up.weight", 2)
    assert not is_quantized("blk.0.ffn_gate_inp.weight", 2)
    assert not is_quantized("blk.0.attn_norm.weight", 1)
    assert is_quantized("blk.0.indexer.attn_k.weight", 2)
    assert not is_quantized("blk.0.indexer.attn_k.weight", 2, GLM5_NEXT)
    assert not is_quantized("blk.0.indexer.k_proj.weight", 2)


def test_every_file_type_is_named_for_a_type_there_is() -> None:
    assert {row.tensor_type.name for row in FILE_TYPES.values()} <= set(TENSOR_TYPES)
    assert all(row.block in (32, 256) for row in FILE_TYPES.values())
