"""Memory that keys and values take is counted by the layers that keep any."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.checkpoints.glancing import glance
from quantgate.pipelines.domain.foreign import ForeignOptions
from quantgate.pipelines.domain.recipe import KvCacheType, Recipe
from quantgate.pipelines.domain.values import JsonObject, digest_of
from quantgate.pipelines.engines.expected import expected_size
from quantgate.pipelines.engines.memory import answer_memory, audit_memory, build_memory, sizes_of
from quantgate.pipelines.engines.prompt_lengths import HeldAtOnce
from quantgate.pipelines.specs.recipes import find_recipes
from tests.support.project import EXAMPLE
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


@pytest.mark.parametrize(
    ("kv_cache", "bits"), [("f16", 16.0), ("q8_0", 8.5), ("q4_0", 4.5)], ids=str
)
def test_keys_and_values_are_foretold_as_they_are_held(
    tmp_path: Path, kv_cache: KvCacheType, bits: float
) -> None:
    config: JsonObject = {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    digests = replace(CHECKPOINT.digests, config=digest_of(config))
    checkpoint = replace(CHECKPOINT, folder=tmp_path, digests=digests)
    (plain,) = find_recipes(("Q8_0",), Path())
    recipe = replace(plain, kv_cache=kv_cache)

    def held(tokens: int, contexts: int = 1) -> int:
        at_once = HeldAtOnce(sequences=8, tokens=tokens, contexts=contexts)
        return answer_memory(checkpoint, recipe, at_once, in_llamacpp=True).held_bytes

    numbers = sizes_of(checkpoint).cached_in_llamacpp
    assert held(3_072) - held(1_024) == int(2_048 * numbers * bits / 8)
    assert held(1_024, contexts=2) > held(1_024), "each computes batches of its own"


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
        held = HeldAtOnce(sequences=32, tokens=3_200)
        return answer_memory(checkpoint, recipe, held, in_llamacpp=False).size_bytes

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


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_what_llama_cpp_lays_out_anew_cannot_stay_in_the_file(
    machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    held = HeldAtOnce(sequences=1, tokens=256)
    plain, anew = find_recipes(("Q8_0", "Q4_0"), Path())
    checkpoint = glance(EXAMPLE / "checkpoint")
    mapped = answer_memory(checkpoint, plain, held, in_llamacpp=True)
    copied = answer_memory(checkpoint, anew, held, in_llamacpp=True)
    size = expected_size(checkpoint, anew).size_bytes
    more = copied.held_bytes - mapped.held_bytes
    if machine == "x86_64":
        assert 0.8 * size < more < size, "all but the output layer, which is Q6_K"
        assert copied.weights_bytes == size - more
    else:
        assert copied.weights_bytes < 0.1 * size, "Q8_0 is laid out anew there as well"
        assert mapped.weights_bytes < 0.1 * expected_size(checkpoint, plain).size_bytes


def test_what_others_made_is_laid_out_anew_by_its_main_type(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    held = HeldAtOnce(sequences=1, tokens=256)

    def mapped(main_type: str) -> int:
        options = ForeignOptions(
            source="org/theirs",
            files=(),
            main_type=main_type,
            quantization="",
            bits_per_weight=4.5,
            file_bits_per_weight=4.8,
            weights_bytes=1_000_000,
            claims=(),
        )
        (plain,) = find_recipes(("Q8_0",), Path())
        recipe = replace(plain, name=main_type, options=options)
        return answer_memory(CHECKPOINT, recipe, held, in_llamacpp=True).weights_bytes

    assert (mapped("Q4_K"), mapped("Q6_K")) == (0, 1_000_000)
