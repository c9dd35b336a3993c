"""Memory that keys and values take is counted by the layers that keep any."""

import json
from dataclasses import replace
from pathlib import Path

from quantgate.pipelines.domain.values import JsonObject, digest_of
from quantgate.pipelines.engines.memory import sizes_of
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
