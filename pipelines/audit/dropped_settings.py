"""What an engine leaves out of a checkpoint, as far as its configuration and the engine's command can tell.

A guess that is said before the first expensive minute, and the likely cause where the base diverges; what
decides is the measurement. Sources: src/models/*.cpp and conversion/*.py of the llama.cpp that
llama-cpp-python 0.3.36 holds, against the modelling code of transformers 5.17; common/arg.cpp of the same
llama.cpp, vllm/engine/arg_utils.py of vLLM 0.32 and server_args.py of SGLang 0.5 for options.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from pipelines.audit.reach import landmarks
from pipelines.domain.values import JsonObject

_WITHOUT_WINDOWS = (
    "MistralForCausalLM", "MixtralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM",
    "Phi3ForCausalLM", "SmolLM3ForCausalLM", "Starcoder2ForCausalLM",
)  # fmt: skip
_ACTIVATIONS = {
    "GemmaForCausalLM": "gelu_pytorch_tanh",
    "Gemma2ForCausalLM": "gelu_pytorch_tanh",
    "Gemma3ForCausalLM": "gelu_pytorch_tanh",
    "Starcoder2ForCausalLM": "gelu_pytorch_tanh",
}
_USUAL_ACTIVATION = "silu"
_PATTERNS = {"Gemma2ForCausalLM": 2, "Gemma3ForCausalLM": 6}
"""Every so manieth layer attends to everything, whatever `layer_types` says."""
_ROTATED_EVERY = 4
_LAYERS_SCALED_BY_WIDTH = {"Gemma2ForCausalLM": 46, "Gemma3ForCausalLM": 62}
"""The number of layers by which llama.cpp knows the 27B models."""


def dropped_settings(config: JsonObject, architecture: str) -> tuple[str, ...]:
    """Return settings that llama.cpp has no place for; `config` has all its defaults filled in."""
    return tuple(told for rule in _RULES for told in rule(config, architecture))


def suspects(config: JsonObject, architecture: str) -> tuple[str, ...]:
    """Return why a base may diverge in llama.cpp: what is surely dropped, else what is unusual."""
    return dropped_settings(config, architecture) or unusual_settings(config)


def unusual_settings(config: JsonObject) -> tuple[str, ...]:
    """Return settings that are rarely anything but absent, and that any engine may not know."""
    return tuple(_unusual(config))


def altering_options(command: Sequence[str]) -> tuple[str, ...]:
    """Return options of a server's command, by name, that make another model of what it loads."""
    names = (part.partition("=")[0] for part in command)
    return tuple(dict.fromkeys(name for name in names if _ALTERS.fullmatch(name)))


def _windows(config: JsonObject, architecture: str) -> Iterator[str]:
    context = config.get("max_position_embeddings")
    for one in landmarks(config) if architecture in _WITHOUT_WINDOWS else ():
        window = not one.setting.startswith("original_max")
        if window and isinstance(context, int) and one.position < context:
            yield str(one)


def _layer_pattern(config: JsonObject, architecture: str) -> Iterator[str]:
    step, layers = _PATTERNS.get(architecture), config.get("layer_types")
    if step is None or not isinstance(layers, list):
        return
    built_in = ["full" if (n + 1) % step == 0 else "sliding" for n in range(len(layers))]
    if [str(layer).partition("_")[0] for layer in layers] != built_in:
        yield f"layer_types other than {step - 1} sliding and one full in turn"


def _attention_scale(config: JsonObject, architecture: str) -> Iterator[str]:
    scalar, size = config.get("query_pre_attn_scalar"), config.get("head_dim")
    if architecture not in _LAYERS_SCALED_BY_WIDTH or not isinstance(scalar, int | float):
        return
    width, heads = config.get("hidden_size"), config.get("num_attention_heads")
    if config.get("num_hidden_layers") == _LAYERS_SCALED_BY_WIDTH[architecture]:
        size = width // heads if isinstance(width, int) and isinstance(heads, int) else size
    if scalar != size:
        yield f"query_pre_attn_scalar {scalar:g}"


def _rotated_layers(config: JsonObject, architecture: str) -> Iterator[str]:
    layers = config.get("no_rope_layers")
    if architecture != "SmolLM3ForCausalLM" or not isinstance(layers, list):
        return
    if [bool(one) for one in layers] != [(n + 1) % _ROTATED_EVERY != 0 for n in range(len(layers))]:
        step = config.get("no_rope_layer_interval")
        yield f"no_rope_layers (no_rope_layer_interval {step}, llama.cpp has {_ROTATED_EVERY})"


def _activation(config: JsonObject, architecture: str) -> Iterator[str]:
    said = config.get("hidden_activation") or config.get("hidden_act")
    if isinstance(said, str) and said != _ACTIVATIONS.get(architecture, _USUAL_ACTIVATION):
        yield f"hidden_act {said}"


def _unusual(config: JsonObject) -> Iterator[str]:
    rotation = config.get("rope_parameters") or config.get("rope_scaling")
    kinds = [rotation] if isinstance(rotation, dict) else []
    kinds += [one for one in kinds[0].values() if isinstance(one, dict)] if kinds else []
    for each in kinds:
        if each.get("rope_type", "default") != "default":
            yield f"rope_type {each['rope_type']}"
        for name in _YARN_FACTORS:
            if isinstance(each.get(name), int | float):
                yield f"{name} of rope_parameters"
        if each.get("partial_rotary_factor", 1.0) != 1.0:
            yield f"partial_rotary_factor {each['partial_rotary_factor']}"
    for name in _RARE:
        value = config.get(name)
        if value is True or (isinstance(value, int | float) and value not in (0, 1)):
            yield f"{name} {'true' if value is True else f'{value:g}'}"


_YARN_FACTORS = ("attention_factor", "mscale", "mscale_all_dim")
_RARE = (
    "attn_logit_softcapping", "final_logit_softcapping", "embedding_multiplier", "residual_multiplier",
    "attention_multiplier", "logits_scaling", "clip_qkv", "attention_chunk_size", "sliding_window",
    "attention_bias", "mlp_bias", "use_qkv_bias", "qk_layernorm", "use_parallel_residual",
)  # fmt: skip
_ALTERS = re.compile(
    r"--(?:hf[-_](?:overrides|config[-_]path)(?:\.[\w.-]+)?|rope[-_][\w-]+|yarn[-_][\w-]+"
    r"|disable[-_]sliding[-_]window|override[-_]kv|json[-_]model[-_]override[-_]args|grp[-_]attn[-_][nw]"
    r"|quantization|load[-_]format|lora[\w-]*|control[-_]vector[\w-]*)|-q"
)
"""`--hf-overrides.sliding_window 40` is vLLM's other way to write a field of JSON."""
_RULES: tuple[Callable[[JsonObject, str], Iterator[str]], ...] = (
    _windows, _layer_pattern, _attention_scale, _rotated_layers, _activation,
)  # fmt: skip
