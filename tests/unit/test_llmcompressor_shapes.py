"""Which layers a recipe addresses and whether its groups fit, told before anything is built."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.backends.llmcompressor_shapes import addressed, misfits
from pipelines.domain.checkpoint import Checkpoint, TensorFacts
from pipelines.domain.recipe import CompressedTensorsOptions
from tests.fakes import fake_checkpoint

GPTQ = CompressedTensorsOptions(scheme="W4A16", modifier="GPTQModifier", group_size=128)
FP8 = CompressedTensorsOptions(scheme="FP8_DYNAMIC", modifier="QuantizationModifier")
NVFP4 = CompressedTensorsOptions(scheme="NVFP4", modifier="QuantizationModifier")


def _checkpoint(folder: Path, *, feed_forward: int = 768, layers: int = 2) -> Checkpoint:
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (1000, 256),
        "model.norm.weight": (256,),
        "lm_head.weight": (1000, 256),
    }
    for layer in range(layers):
        shapes[f"model.layers.{layer}.self_attn.q_proj.weight"] = (256, 256)
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
        "model.layers.0.mlp.down_proj.weight",
    ]


def test_what_is_ignored_is_not_addressed(tmp_path: Path) -> None:
    ignoring = replace(FP8, ignore=("lm_head", "re:.*layers\\.0\\."))
    names = _names(_checkpoint(tmp_path), ignoring)
    assert all(".1." in name for name in names)
    assert len(names) == 2


def test_an_expression_matches_from_the_start_of_a_name_as_in_compressed_tensors(
    tmp_path: Path,
) -> None:
    checkpoint = _checkpoint(tmp_path)
    assert _names(checkpoint, replace(FP8, targets=("re:down_proj",))) == []
    assert len(_names(checkpoint, replace(FP8, targets=("re:.*down_proj",)))) == 2


def test_an_exact_name_addresses_one_layer_only(tmp_path: Path) -> None:
    exact = replace(FP8, targets=("model.layers.1.mlp.down_proj",))
    assert _names(_checkpoint(tmp_path), exact) == ["model.layers.1.mlp.down_proj.weight"]


@pytest.mark.parametrize("options", [GPTQ, FP8, NVFP4])
def test_divisible_shapes_fit(options: CompressedTensorsOptions, tmp_path: Path) -> None:
    assert misfits(_checkpoint(tmp_path), options) == ()


def test_a_misfit_names_layer_shape_count_and_what_fits(tmp_path: Path) -> None:
    (sentence,) = misfits(_checkpoint(tmp_path, feed_forward=704), GPTQ)
    assert sentence == (
        "model.layers.0.mlp.down_proj.weight and 1 more like it has 704 inputs (shape 256 x 704), "
        "which groups of 128 (W4A16) do not divide; group size 64, 32, 16 fits, and so does FP8_DYNAMIC"
    )


def test_a_smaller_group_size_makes_it_fit(tmp_path: Path) -> None:
    assert misfits(_checkpoint(tmp_path, feed_forward=704), replace(GPTQ, group_size=64)) == ()


def test_nvfp4_needs_sixteen_and_fp8_dynamic_nothing(tmp_path: Path) -> None:
    checkpoint = _checkpoint(tmp_path, feed_forward=700)
    (sentence,) = misfits(checkpoint, NVFP4)
    assert "groups of 16 (NVFP4) do not divide; no smaller group size fits" in sentence
    assert misfits(checkpoint, FP8) == ()


def test_targets_that_match_nothing_are_told(tmp_path: Path) -> None:
    """llm-compressor would save an unquantized model without a word."""
    (sentence,) = misfits(_checkpoint(tmp_path), replace(FP8, targets=("Liner",)))
    assert sentence == "targets Liner (ignoring lm_head) match no layer of demo"


def test_an_unknown_scheme_gets_a_suggestion(tmp_path: Path) -> None:
    (sentence,) = misfits(_checkpoint(tmp_path), replace(FP8, scheme="FP8_DYNAMC"))
    assert sentence == "scheme FP8_DYNAMC is unknown, did you mean FP8_DYNAMIC?"


def test_a_group_size_for_a_scheme_without_groups_is_told(tmp_path: Path) -> None:
    (sentence,) = misfits(_checkpoint(tmp_path), replace(FP8, group_size=128))
    assert "has no groups" in sentence
