"""Memory that keys and values take is counted by the layers that keep any."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.domain.values import JsonObject, digest_of
from quantgate.pipelines.engines.expected import expected_size
from quantgate.pipelines.engines.llamacpp.layout import at_once
from quantgate.pipelines.engines.memory import answer_memory, audit_memory, build_memory, sizes_of
from quantgate.pipelines.specs.recipes import find_recipes
from tests.support.verdicts.reports import CHECKPOINT

LATENT: JsonObject = {
    "num_hidden_layers": 3,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "kv_lora_rank": 32,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 16,
    "v_head_dim": 16,
}


def cached(folder: Path, config: JsonObject) -> int:
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    digests = replace(CHECKPOINT.digests, config=digest_of(config))
    return sizes_of(replace(CHECKPOINT, folder=folder, digests=digests)).cached_in_llamacpp


def test_latents_count_as_they_are(tmp_path: Path) -> None:
    assert cached(tmp_path, LATENT) == 3 * (32 + 8)


def test_layers_without_attention_and_those_that_share_count_for_nothing(tmp_path: Path) -> None:
    config: JsonObject = {
        "num_hidden_layers": 4,
        "hidden_size": 64,
        "num_attention_heads": 4,
        "layer_types": ["linear_attention", "full_attention", "full_attention", "full_attention"],
        "num_kv_shared_layers": 1,
    }
    assert cached(tmp_path, config) == 2 * 2 * 64


@pytest.mark.parametrize("weights", [50_000_001, 135_000_000, 150_000_000, 150_000_001])
def test_keys_and_values_are_foretold_for_every_engine_that_answers_at_once(
    tmp_path: Path, weights: int
) -> None:
    config: JsonObject = {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    digests = replace(CHECKPOINT.digests, config=digest_of(config), weights=digest_of(weights))
    checkpoint = replace(
        CHECKPOINT, folder=tmp_path, digests=digests, parameter_count=weights, size_bytes=1
    )

    def held(longest_tokens: int) -> int:
        need = answer_memory(checkpoint, None, in_llamacpp=True, longest_tokens=longest_tokens)
        return need.held_bytes

    tokens = 32_768 - 65 * 256
    bytes_a_token = 2 * sizes_of(checkpoint).cached_in_llamacpp
    assert held(257) - held(256) == at_once(1, 2, weights) * tokens * bytes_a_token


def test_a_packed_variant_takes_its_files_and_a_copy_more_than_its_base_in_transformers(
    tmp_path: Path,
) -> None:
    (recipe,) = find_recipes(("FP8_DYNAMIC",), Path())
    config: JsonObject = {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    digests = replace(CHECKPOINT.digests, config=digest_of(config))
    checkpoint = replace(CHECKPOINT, folder=tmp_path, digests=digests)
    packed = expected_size(checkpoint, recipe).size_bytes
    more = 2 * checkpoint.parameter_count + packed

    def asked(recipe: Recipe | None) -> int:
        need = answer_memory(checkpoint, recipe, in_llamacpp=False, longest_tokens=100)
        return need.size_bytes

    def audited(recipe: Recipe | None) -> int:
        return audit_memory(checkpoint, recipe, in_llamacpp=False).size_bytes

    assert asked(recipe) - asked(None) == audited(recipe) - audited(None) == more > 0


def test_awq_searches_with_copies_beside_those_that_are_quantized() -> None:
    awq, gptq = find_recipes(("W4A16--awq", "W4A16--gptq"), Path())
    sizes = sizes_of(CHECKPOINT)
    hessians = 4 * (sizes.squared_inputs + sizes.widest**2)
    more = build_memory(CHECKPOINT, awq).size_bytes - build_memory(CHECKPOINT, gptq).size_bytes
    tokens = awq.calibration_tokens - gptq.calibration_tokens
    assert more == 10 * sizes.largest_tensor - hessians + 4 * tokens * sizes.hidden
