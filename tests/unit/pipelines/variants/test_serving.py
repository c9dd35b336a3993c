"""Keys and values by layer, counted by hand from configurations as models have them."""

from quantgate.pipelines.domain.architectures import LLAMA_CPP, TRANSFORMERS
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.formats.configuration.cache_layers import cache_layers
from quantgate.pipelines.variants.serving import cache_bytes

LLAMA_3_8B: JsonObject = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
}


def test_llama_3_keeps_128_kib_of_a_token() -> None:
    assert cache_bytes(cache_layers(LLAMA_3_8B, LLAMA_CPP), 8192) == 8192 * 128 * 1024


def test_a_cache_in_8_bits_takes_little_more_than_half() -> None:
    layers = cache_layers(LLAMA_3_8B, LLAMA_CPP)

    assert cache_bytes(layers, 8192, "q8_0") == 8192 * 128 * 1024 * 8.5 / 16


def test_windows_count_with_their_window_and_a_batch() -> None:
    config: JsonObject = {
        "model_type": "gemma3_text",
        "num_hidden_layers": 12,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 256,
        "sliding_window": 512,
    }

    layers = cache_layers(config, LLAMA_CPP)

    assert [layer.window_tokens for layer in layers] == [*[512] * 5, None, *[512] * 5, None]
    a_token = 2 * 256 * 2
    assert cache_bytes(layers, 8192) == a_token * (2 * 8192 + 10 * (512 + 512))
    assert cache_bytes(layers, 256) == a_token * 12 * 256


def test_listed_layers_go_before_the_model_type() -> None:
    config = LLAMA_3_8B | {
        "sliding_window": 128,
        "num_hidden_layers": 3,
        "layer_types": ["sliding_attention", "full_attention", "linear_attention"],
    }

    assert [layer.window_tokens for layer in cache_layers(config, LLAMA_CPP)] == [128, None]


def test_a_window_that_is_switched_off_counts_for_nothing() -> None:
    config = LLAMA_3_8B | {"sliding_window": 4096, "use_sliding_window": False}

    assert {layer.window_tokens for layer in cache_layers(config, LLAMA_CPP)} == {None}


def test_latent_attention_keeps_a_latent_instead_of_keys_and_values() -> None:
    config = LLAMA_3_8B | {"kv_lora_rank": 512, "qk_rope_head_dim": 64}

    assert {layer.values for layer in cache_layers(config, LLAMA_CPP)} == {576}


def test_keys_made_of_a_latent_count_where_a_tool_keeps_those() -> None:
    latent = LLAMA_3_8B | {
        "kv_lora_rank": 512,
        "qk_rope_head_dim": 64,
        "qk_nope_head_dim": 128,
        "v_head_dim": 128,
    }

    def values(config: JsonObject, tool: str) -> set[int]:
        return {layer.values for layer in cache_layers(config, tool)}

    indexed = latent | {"model_type": "deepseek_v32", "index_head_dim": 128}
    every_head = 32 * (128 + 64 + 128)
    assert values(indexed, TRANSFORMERS) == {every_head + 128}
    assert values(indexed, LLAMA_CPP) == {576 + 128}
    assert values(latent | {"model_type": "minicpm3"}, LLAMA_CPP) == {every_head}
    assert values(latent | {"model_type": "minicpm3"}, TRANSFORMERS) == {576}
    assert values(latent | {"model_type": "deepseek_v3"}, TRANSFORMERS) == {576}


def test_sparse_and_compressed_attention_grow_as_well() -> None:
    types: list[JsonValue] = ["deepseek_sparse_attention", "hybrid", "linear_attention", "moe"]
    config = LLAMA_3_8B | {"num_hidden_layers": 4, "layer_types": types}

    assert len(cache_layers(config, LLAMA_CPP)) == 2


def test_rooms_are_padded_as_llama_cpp_pads_them() -> None:
    layers = cache_layers(LLAMA_3_8B, LLAMA_CPP)

    assert cache_bytes(layers, 1) == cache_bytes(layers, 256) < cache_bytes(layers, 257)


def test_layers_that_share_the_cache_of_earlier_ones_keep_nothing() -> None:
    config: JsonObject = {
        "model_type": "gemma3n_text",
        "num_hidden_layers": 10,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 256,
        "sliding_window": 512,
        "num_kv_shared_layers": 4,
    }
    windows = [*[512] * 4, None, 512]
    assert [layer.window_tokens for layer in cache_layers(config, LLAMA_CPP)] == windows

    types: list[JsonValue] = [*["sliding_attention"] * 4, "full_attention"] * 2
    listed = config | {"layer_types": types}
    assert [layer.window_tokens for layer in cache_layers(listed, LLAMA_CPP)] == windows
    assert len(cache_layers(LLAMA_3_8B | {"num_kv_shared_layers": 12}, LLAMA_CPP)) == 20
