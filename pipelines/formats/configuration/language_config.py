"""The language model's part of config.json, under the names that most classes use, defaults filled in.

Models that also see or hear describe their language model in an object of its own. Which one it is follows
`ModelBase.load_hparams` of llama.cpp's converter and `PreTrainedConfig.get_text_config` of transformers 5.17.
"""

from collections.abc import Iterator
from pathlib import Path

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.files.json_files import read_json_object
from quantgate.pipelines.formats.configuration.transformers_source import ConfigClass, config_class

NO_LIMIT_TOKENS = 1 << 20
"""Context of a model whose positions have no limit (Mamba): what llama.cpp's converter writes for those."""

_PARTS = ("text_config", "llm_config", "language_config", "lm_config")
_SAID_OUTSIDE = ("tie_word_embeddings",)
"""What the whole configuration says of its language model: transformers goes by that where both do."""
_OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "hidden_size": ("n_embd", "d_model", "n_embed", "model_dim", "dim"),
    "num_hidden_layers": ("n_layer", "n_layers", "num_layers"),
    "max_position_embeddings": (
        "n_positions", "n_ctx", "max_seq_len", "max_sequence_length", "max_seq_length", "seq_length",
        "model_max_length", "context_length",
    ),
    "num_attention_heads": ("n_head", "n_heads", "num_heads"),
    "num_key_value_heads": ("n_head_kv", "num_kv_heads", "multi_query_group_num"),
    "num_experts": ("num_local_experts", "n_routed_experts", "moe_num_experts", "num_moe_experts"),
    "vocab_size": ("padded_vocab_size",),
}  # fmt: skip
"""What classes call these that transformers does not have; the first one that is there counts."""


def language_config(folder: Path) -> JsonObject:
    """Return what a checkpoint folder's config.json says of its language model, {} where there is none.

    Raises:
        CheckpointError: where the file is not a JSON object.
        ToolchainError: where transformers' source is not as it was.
    """
    config = read_json_object(folder / "config.json")
    outer = {key: config[key] for key in _SAID_OUTSIDE if key in config}
    return with_common_names({**language_part(config), **outer})


def context_length(folder: Path) -> int:
    """Return the longest sequence, in tokens, that a checkpoint folder's model was made for."""
    return count_of(language_config(folder), "max_position_embeddings") or NO_LIMIT_TOKENS


def language_part(config: JsonObject) -> JsonObject:
    """Return the object that describes the language model: a part of the configuration, or all of it."""
    thinker = config.get("thinker_config")
    outer = thinker if isinstance(thinker, dict) else config
    parts = (outer.get(name) for name in _PARTS)
    return next((part for part in parts if isinstance(part, dict)), outer)


def with_common_names(part: JsonObject) -> JsonObject:
    """Return a configuration with its class's defaults, and its sizes under their common names as well."""
    model_type = part.get("model_type")
    described = config_class(model_type) if isinstance(model_type, str) else None
    defaults: JsonObject = dict(described.defaults) if described else {}
    filled = {**defaults, **part}
    common: JsonObject = {}
    for name in (*_OTHER_NAMES, *(described.own_names if described else ())):
        spellings = tuple(_spellings(name, described))
        for source in (part, defaults):
            value = next((source[s] for s in spellings if source.get(s) is not None), None)
            if value is not None:
                common[name] = value
                break
    return {**filled, **common}


def count_of(config: JsonObject, *names: str) -> int:
    """Return the first of these numbers that a configuration gives, 0 where it gives none."""
    return next((number for name in names if (number := _number(config.get(name)))), 0)


def _number(value: JsonValue) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _spellings(name: str, described: ConfigClass | None) -> Iterator[str]:
    if described and name in described.own_names:
        yield described.own_names[name]
    yield name
    yield from _OTHER_NAMES.get(name, ())
