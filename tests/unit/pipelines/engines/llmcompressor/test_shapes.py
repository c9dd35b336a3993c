"""Which layers a recipe addresses and whether its groups fit, told before anything is built."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.checkpoint import Checkpoint, TensorFacts
from quantgate.pipelines.domain.recipe import CompressedTensorsOptions
from quantgate.pipelines.engines.llmcompressor.alternatives import nearest
from quantgate.pipelines.engines.llmcompressor.schemes import mistakes
from quantgate.pipelines.engines.llmcompressor.shapes import (
    addressed,
    cache_scales,
    leaving_whole,
    misfits,
)
from quantgate.pipelines.specs.recipes import catalogue
from tests.support.fakes import fake_checkpoint

GPTQ = CompressedTensorsOptions(scheme="W4A16", modifier="GPTQModifier", group_size=128)
FP8 = CompressedTensorsOptions(scheme="FP8_DYNAMIC", modifier="QuantizationModifier")
NVFP4 = CompressedTensorsOptions(scheme="NVFP4", modifier="QuantizationModifier")
BLOCK = CompressedTensorsOptions(scheme="FP8_BLOCK", modifier="QuantizationModifier")
INT8 = CompressedTensorsOptions(scheme="W8A8", modifier="QuantizationModifier")
AWQ = CompressedTensorsOptions(scheme="W4A16", modifier="AWQModifier")
CACHE = CompressedTensorsOptions(scheme=None, modifier="QuantizationModifier", kv_cache="fp8")


def _checkpoint(folder: Path, *, feed_forward: int = 768, layers: int = 2) -> Checkpoint:
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (1000, 256),
        "model.norm.weight": (256,),
        "lm_head.weight": (1000, 256),
    }
    for layer in range(layers):
        shapes[f"model.layers.{layer}.self_attn.q_proj.weight"] = (256, 256)
        shapes[f"model.layers.{layer}.self_attn.k_proj.weight"] = (128, 256)
        shapes[f"model.layers.{layer}.self_attn.q_proj.bias"] = (256,)
        shapes[f"model.layers.{layer}.mlp.down_proj.weight"] = (256, feed_forward)
    tensors = tuple(TensorFacts(name=n, shape=s, dtype="F16") for n, s in shapes.items())
    return replace(fake_checkpoint(folder), tensors=tensors)


def _names(checkpoint: Checkpoint, options: CompressedTensorsOptions) -> list[str]:
    return [tensor.name for tensor in addressed(checkpoint.tensors, options)]


def test_linear_means_every_matrix_but_embeddings_norms_and_biases(tmp_path: Path) -> None:
    names = _names(_checkpoint(tmp_path, layers=1), replace(FP8, ignore=()))
    assert names == [
        "lm_head.weight",
        "model.layers.0.self_attn.q_proj.weight",
        "model.layers.0.self_attn.k_proj.weight",
        "model.layers.0.mlp.down_proj.weight",
    ]


@pytest.mark.parametrize(
    ("name", "is_addressed"),
    [
        ("transformer.wte.weight", False),
        ("transformer.wpe.weight", False),
        ("model.layers.0.self_attn.k_norm.weight", False),
        ("language_model.lm_head.weight", False),
        ("transformer.h.0.attn.query_key_value.weight", True),
    ],
)
def test_embeddings_norms_and_heads_of_other_classes_are_told_by_name(
    name: str, is_addressed: bool
) -> None:
    tensor = TensorFacts(name=name, shape=(256, 256), dtype="F16")
    assert bool(addressed([tensor], FP8)) is is_addressed


def test_what_sees_beside_the_language_model_neither_counts_nor_is_quantized(
    tmp_path: Path,
) -> None:
    plain = _checkpoint(tmp_path)
    odd = TensorFacts(name="model.vision_tower.fc.weight", shape=(64, 100), dtype="F16")
    seeing = replace(
        plain, tensors=(*plain.tensors, odd), parts_beside=("model.vision_tower", "projector")
    )
    assert misfits(seeing, GPTQ) == ()
    (recipe,) = (recipe for recipe in catalogue() if recipe.name == "W4A16--gptq")
    whole = leaving_whole(recipe, seeing.parts_beside)
    assert isinstance(whole.options, CompressedTensorsOptions)
    names = [
        TensorFacts(name=name, shape=(64, 64), dtype="F16")
        for name in (
            "model.vision_tower.fc.weight",
            "vision_tower.fc.weight",
            "projector.weight",
            "model.my_projector.fc.weight",
        )
    ]
    assert [t.name for t in addressed(names, whole.options)] == ["model.my_projector.fc.weight"]
    assert leaving_whole(recipe, ()) is recipe


def test_what_is_ignored_is_not_addressed(tmp_path: Path) -> None:
    ignoring = replace(FP8, ignore=("lm_head", "re:.*layers\\.0\\."))
    names = _names(_checkpoint(tmp_path), ignoring)
    assert all(".1." in name for name in names)
    assert len(names) == 3


def test_an_expression_matches_from_the_start_of_a_name_as_in_compressed_tensors(
    tmp_path: Path,
) -> None:
    checkpoint = _checkpoint(tmp_path)
    assert _names(checkpoint, replace(FP8, targets=("re:down_proj",))) == []
    assert len(_names(checkpoint, replace(FP8, targets=("re:.*down_proj",)))) == 2


def test_an_exact_name_addresses_one_layer_only(tmp_path: Path) -> None:
    exact = replace(FP8, targets=("model.layers.1.mlp.down_proj",))
    assert _names(_checkpoint(tmp_path), exact) == ["model.layers.1.mlp.down_proj.weight"]


@pytest.mark.parametrize("options", [GPTQ, FP8, NVFP4, BLOCK, CACHE, AWQ])
def test_divisible_shapes_fit(options: CompressedTensorsOptions, tmp_path: Path) -> None:
    assert misfits(_checkpoint(tmp_path), options) == ()


def test_a_misfit_names_layer_shape_and_count(tmp_path: Path) -> None:
    (sentence,) = misfits(_checkpoint(tmp_path, feed_forward=704), GPTQ)
    assert sentence == (
        "model.layers.0.mlp.down_proj.weight and 1 more like it have 704 inputs, "
        "which groups of 128 (W4A16) do not divide (shape 256 x 704)"
    )


def test_a_smaller_group_size_makes_it_fit(tmp_path: Path) -> None:
    assert misfits(_checkpoint(tmp_path, feed_forward=704), replace(GPTQ, group_size=64)) == ()


def test_nvfp4_needs_sixteen_and_fp8_dynamic_nothing(tmp_path: Path) -> None:
    checkpoint = _checkpoint(tmp_path, feed_forward=700)
    (sentence,) = misfits(checkpoint, NVFP4)
    assert "groups of 16 (NVFP4) do not divide" in sentence
    assert misfits(checkpoint, FP8) == ()


def test_blocks_have_to_divide_inputs_and_outputs(tmp_path: Path) -> None:
    wide = _checkpoint(tmp_path, feed_forward=704)
    (sentence,) = misfits(wide, BLOCK)
    assert "704 inputs, which blocks of 128 x 128 (FP8_BLOCK) do not divide" in sentence
    keys = TensorFacts(name="model.layers.0.self_attn.k_proj.weight", shape=(64, 256), dtype="F16")
    narrow = replace(_checkpoint(tmp_path), tensors=(keys,))
    (sentence,) = misfits(narrow, BLOCK)
    assert sentence.startswith(
        "model.layers.0.self_attn.k_proj.weight has 64 outputs, which blocks"
    )


def test_targets_that_match_nothing_are_told(tmp_path: Path) -> None:
    """llm-compressor would save an unquantized model without a word."""
    (sentence,) = misfits(_checkpoint(tmp_path), replace(FP8, targets=("Liner",)))
    assert sentence == "targets Liner (ignoring lm_head) match no layer of demo"


def test_smoothing_is_refused_where_its_layers_are_not_there(tmp_path: Path) -> None:
    checkpoint = replace(_checkpoint(tmp_path), architecture="SomethingNewForCausalLM")
    (sentence,) = misfits(checkpoint, replace(INT8, smoothing_strength=0.5))
    assert sentence.startswith("SmoothQuant cannot smooth SomethingNewForCausalLM")
    assert misfits(checkpoint, INT8) == ()


MIXTURE = {
    "model.layers.0.self_attn.q_proj.weight": (256, 256),
    "model.layers.0.block_sparse_moe.gate.weight": (2, 256),
    **{
        f"model.layers.0.block_sparse_moe.experts.{expert}.{part}.weight": (256, 256)
        for expert in range(2)
        for part in ("w1", "w2", "w3")
    },
}


def _mixture(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> Checkpoint:
    tensors = tuple(TensorFacts(name=n, shape=s, dtype="BF16") for n, s in shapes.items())
    return replace(fake_checkpoint(folder), architecture="MixtralForCausalLM", tensors=tensors)


def test_every_expert_is_addressed_and_no_router(tmp_path: Path) -> None:
    mixture = _mixture(tmp_path, MIXTURE)
    assert misfits(mixture, FP8) == ()
    assert _names(mixture, FP8) == [name for name in MIXTURE if ".gate." not in name]


@pytest.mark.parametrize("pattern", ["re:.*w2$", "re:.*mlp[.]experts[.].*down_proj"])
def test_experts_go_by_the_checkpoints_names_and_by_llm_compressors(
    pattern: str, tmp_path: Path
) -> None:
    mixture = _mixture(tmp_path, MIXTURE)
    left = set(_names(mixture, FP8)) - set(_names(mixture, replace(FP8, ignore=(pattern,))))
    assert len(left) == 2
    assert all(name.endswith("w2.weight") for name in left)


def test_fused_experts_are_addressed_one_by_one_and_have_to_fit(tmp_path: Path) -> None:
    fused = {
        "model.layers.0.mlp.experts.gate_up_proj": (2, 96, 128),
        "model.layers.0.mlp.experts.down_proj": (2, 64, 96),
        "model.layers.0.mlp.router.weight": (2, 96),
    }
    mixture = _mixture(tmp_path, fused)
    assert len(_names(mixture, FP8)) == 6
    sentences = misfits(mixture, GPTQ)
    assert {("have 64 inputs" in each, "have 96 inputs" in each) for each in sentences} == {
        (True, False),
        (False, True),
    }


def test_experts_that_nobody_takes_apart_are_told_and_convolutions_are_none(tmp_path: Path) -> None:
    strange = {**MIXTURE, "model.layers.0.mlp.input_linear.weight": (2, 256, 256)}
    (sentence,) = misfits(_mixture(tmp_path, strange), FP8)
    assert (
        "keeps experts together in model.layers.0.mlp.input_linear.weight (2 x 256 x 256)"
        in sentence
    )
    convolution = {**MIXTURE, "model.layers.0.mamba.conv1d.weight": (256, 1, 4)}
    assert misfits(_mixture(tmp_path, convolution), FP8) == ()


@pytest.mark.parametrize("options", [GPTQ, NVFP4, BLOCK])
def test_layers_saved_as_one_matrix_take_schemes_whose_rows_have_all_they_need(
    options: CompressedTensorsOptions, tmp_path: Path
) -> None:
    joined = replace(_checkpoint(tmp_path), architecture="HrmTextForCausalLM")
    (sentence,) = misfits(joined, options)
    assert "is saved with queries, keys, values and gate as one matrix" in sentence
    assert misfits(joined, FP8) == () == misfits(joined, INT8)
    assert misfits(_checkpoint(tmp_path), options) == ()


def test_a_quantized_cache_promises_two_scales_in_every_attention_layer(tmp_path: Path) -> None:
    checkpoint = _checkpoint(tmp_path)
    assert cache_scales(checkpoint.tensors, CACHE) == (
        "model.layers.0.self_attn.k_scale",
        "model.layers.0.self_attn.v_scale",
        "model.layers.1.self_attn.k_scale",
        "model.layers.1.self_attn.v_scale",
    )
    assert addressed(checkpoint.tensors, CACHE) == ()
    assert cache_scales(checkpoint.tensors, FP8) == ()


def test_a_cache_that_nobody_would_quantize_is_told(tmp_path: Path) -> None:
    tensors = (TensorFacts(name="h.0.attn.c_attn.weight", shape=(768, 256), dtype="F16"),)
    (sentence,) = misfits(replace(_checkpoint(tmp_path), tensors=tensors), CACHE)
    assert sentence.startswith("demo has no attention layer with k_proj, v_proj")


def _nearest(recipe: str, checkpoint: Checkpoint) -> str | None:
    (wanted,) = (known for known in catalogue() if known.name == recipe)
    found = nearest(checkpoint, wanted)
    return found.name if found else None


@pytest.mark.parametrize(
    ("recipe", "feed_forward", "expected"),
    [
        ("W4A16--gptq", 704, "W4A16--gptq_g64"),
        ("W4A16--gptq", 736, "W4A16--gptq_g32"),
        ("W4A16--awq", 704, "W4A16--awq_g64"),
        ("AWQ", 736, "AWQ--g32"),
        ("FP8_BLOCK", 704, "FP8_DYNAMIC"),
        ("MXFP8", 720, "FP8_DYNAMIC"),
        ("MXFP4", 720, "NVFP4"),
        ("W4A16--gptq", 700, "W8A8--smoothquant_gptq"),
        ("FP8_DYNAMIC--kv_fp8", 768, "NVFP4--kv_fp8"),
    ],
)
def test_the_nearest_recipe_that_fits_is_most_like_the_wanted_one(
    recipe: str, feed_forward: int, expected: str, tmp_path: Path
) -> None:
    assert _nearest(recipe, _checkpoint(tmp_path, feed_forward=feed_forward)) == expected


def test_the_nearest_recipe_does_without_what_an_architecture_lacks(tmp_path: Path) -> None:
    checkpoint = replace(_checkpoint(tmp_path), architecture="Starcoder2ForCausalLM")
    assert _nearest("W4A16--awq", checkpoint) == "W4A16--gptq"
    assert _nearest("W8A8--smoothquant_gptq", checkpoint) == "W8A8"


def test_the_example_that_fits_everything_has_no_misfits_at_all(tmp_path: Path) -> None:
    checkpoint = _checkpoint(tmp_path)
    for recipe in catalogue():
        if isinstance(recipe.options, CompressedTensorsOptions):
            assert misfits(checkpoint, recipe.options) == (), recipe.name
            assert mistakes(recipe, recipe.options) == (), recipe.name


@pytest.mark.parametrize(
    "name", ["lm_head.weight", "language_model.lm_head.weight", "head.weight", "embed_out.weight"]
)
def test_the_head_stays_whole_whatever_it_is_stored_as(name: str, tmp_path: Path) -> None:
    checkpoint = _checkpoint(tmp_path, layers=1)
    head = TensorFacts(name=name, shape=(1000, 256), dtype="F16")
    others = tuple(tensor for tensor in checkpoint.tensors if tensor.name != "lm_head.weight")
    assert name not in _names(replace(checkpoint, tensors=(*others, head)), FP8)
    assert "model.layers.0.attn.head.weight" in _names(
        replace(checkpoint, tensors=(replace(head, name="model.layers.0.attn.head.weight"),)), FP8
    )
