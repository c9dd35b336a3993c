"""A checkpoint's config.json in the words of transformers 4.51, which the archived quantizers run on.

transformers 5 writes `rope_parameters`, `layer_types` and `dtype` where 4.51 reads `rope_theta`,
`rope_scaling` and `torch_dtype`, and 4.51 passes over keys that it does not know: it would quantize
another function without a word. So every key is translated, known to 4.51, or refused by name.

Sources: `configuration_<model type>.py`, `configuration_utils.py` and `modeling_rope_utils.py` of
transformers 4.51.3 and 5.17. A model type stands here when a small random checkpoint of it had equal
logits in both.
"""

from pathlib import Path

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.archived.rope import Untranslatable, older_rope
from quantgate.pipelines.formats.tokenizers.folder import read_json_object

_DECODER = frozenset({
    "architectures", "model_type", "transformers_version", "torch_dtype", "vocab_size", "hidden_size",
    "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "hidden_act",
    "max_position_embeddings", "initializer_range", "use_cache", "tie_word_embeddings", "rope_theta",
    "rope_scaling", "attention_dropout", "bos_token_id", "eos_token_id", "pad_token_id",
    "is_encoder_decoder", "return_dict", "output_attentions", "output_hidden_states", "tokenizer_class",
    "chunk_size_feed_forward", "id2label", "label2id", "problem_type",
})  # fmt: skip
_OWN: dict[str, frozenset[str]] = {
    "llama": frozenset({"attention_bias", "mlp_bias", "head_dim", "pretraining_tp", "rms_norm_eps"}),
    "mistral": frozenset({"head_dim", "sliding_window", "rms_norm_eps"}),
    "qwen2": frozenset({
        "rms_norm_eps", "use_sliding_window", "sliding_window", "max_window_layers",
    }),
    "qwen3": frozenset({
        "rms_norm_eps", "use_sliding_window", "sliding_window", "max_window_layers",
        "attention_bias", "head_dim",
    }),
    "gemma": frozenset({"attention_bias", "head_dim", "hidden_activation", "rms_norm_eps"}),
    "gemma2": frozenset({
        "attention_bias", "head_dim", "hidden_activation", "rms_norm_eps", "sliding_window",
        "query_pre_attn_scalar", "attn_logit_softcapping", "final_logit_softcapping",
        "cache_implementation",
    }),
    "phi3": frozenset({
        "rms_norm_eps", "sliding_window", "embd_pdrop", "resid_pdrop",
        "original_max_position_embeddings", "partial_rotary_factor",
    }),
    "stablelm": frozenset({
        "layer_norm_eps", "hidden_dropout", "qk_layernorm", "use_parallel_residual", "use_qkv_bias",
        "partial_rotary_factor",
    }),
}  # fmt: skip
"""What 4.51's configuration class of each model type takes besides the above."""

_ROPE = ("rope_parameters", "rope_theta", "rope_scaling")
_READER = "transformers 4.51, which the archived quantizers run on"


def older_config(folder: Path) -> JsonObject:
    """Return config.json of a checkpoint folder as transformers 4.51 is to read it.

    Raises:
        CheckpointError: naming the first key that has no equal there.
    """
    file = folder / "config.json"
    config = {key: value for key, value in read_json_object(file).items() if key[0] != "_"}
    model_type = config.get("model_type")
    if model_type not in _OWN:
        raise CheckpointError(
            f"model type {model_type} was not tried with {_READER}",
            where=str(file),
            next_step=f"use an llm-compressor recipe; tried are {', '.join(_OWN)}",
        )
    readable = _DECODER | _OWN[model_type]
    if "dtype" in config:
        config["torch_dtype"] = config.pop("dtype")
    try:
        _drop_layer_types(config)
        rope = older_rope(config, partial_rotation="partial_rotary_factor" in readable)
        config = {key: value for key, value in config.items() if key not in _ROPE} | rope
        _refuse_unknown(config, readable)
    except Untranslatable as error:
        raise CheckpointError(
            f"`{error.key}` ({str(error.value)[:60]}) means something else, or nothing, to {_READER}",
            where=str(file),
            next_step="use an llm-compressor recipe, which runs on the transformers of today",
        ) from error
    return {key: value for key, value in config.items() if key in readable}


def _drop_layer_types(config: JsonObject) -> None:
    """Drop `layer_types` where 4.51 does the same by itself: full attention, or Gemma 2's alternation."""
    types = config.pop("layer_types", None)
    if not isinstance(types, list) or all(kind == "full_attention" for kind in types):
        return
    alternating = [("sliding_attention", "full_attention")[n % 2] for n in range(len(types))]
    if config.get("model_type") != "gemma2" or types != alternating:
        raise Untranslatable("layer_types", types)


def _refuse_unknown(config: JsonObject, readable: frozenset[str]) -> None:
    if config.get("use_sliding_window"):  # the versions differ in which layers that means
        raise Untranslatable("use_sliding_window", True)
    for key, value in config.items():
        if key not in readable and value is not None:
            raise Untranslatable(key, value)
