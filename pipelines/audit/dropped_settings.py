"""What an engine leaves out of a checkpoint, as far as its configuration and the engine's command can tell.

A guess that is said before the first expensive minute. What decides is the measurement; see
`divergence_causes` for what is tried where a base diverges. Sources: src/models/*.cpp and conversion/*.py of
the llama.cpp that llama-cpp-python 0.3.36 holds, against the modelling code of transformers 5.17;
common/arg.cpp of the same llama.cpp and vllm/engine/arg_utils.py of vLLM 0.32 for options. SGLang's options
are named as its documentation does; its source was not read.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from quantgate.pipelines.audit.reach import landmarks
from quantgate.pipelines.checkpoints.architectures import REVIEWED_ARCHITECTURES
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.formats.configuration.transformers_source import causal_architecture

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
_PATTERNS = {
    "AfmoeForCausalLM": (4, 3),
    "Cohere2ForCausalLM": (4, 3),
    "Gemma2ForCausalLM": (2, 1),
    "Gemma3ForCausalLM": (6, 5),
    "GptOssForCausalLM": (2, 1),
    "LagunaForCausalLM": (4, 0),
}
"""Which of so many layers attends to everything, whatever `layer_types` says; the first is 0."""
_ROTATED_EVERY = 4
_LAYERS_SCALED_BY_WIDTH = {"Gemma2ForCausalLM": 46, "Gemma3ForCausalLM": 62}
"""The number of layers by which llama.cpp knows the 27B models."""
_ROTATED_ALIKE = ("MellumForCausalLM",)
_GATED_BY_SIGMOID = ("Qwen4ExpForCausalLM", "Qwen4ExpForConditionalGeneration")
_SIGMOID = "sigmoid"
_FULL, _SLIDING = "full_attention", "sliding_attention"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A setting that an engine may leave out, and the `changes` to a configuration that leave it out."""

    setting: str
    changes: JsonObject


def dropped_settings(config: JsonObject, architecture: str) -> tuple[str, ...]:
    """Return settings that llama.cpp has no place for; `config` has all its defaults filled in."""
    return tuple(suspect.setting for suspect in dropped(config, architecture))


def dropped(config: JsonObject, architecture: str) -> tuple[Suspect, ...]:
    """Return the same with what llama.cpp computes instead.

    The language model of a checkpoint that also sees is computed as the class of its configuration's type.
    """
    model_type = config.get("model_type")
    alone = causal_architecture(model_type) if isinstance(model_type, str) else None
    computed = architecture if architecture in REVIEWED_ARCHITECTURES else alone or architecture
    return tuple(suspect for rule in _RULES for suspect in rule(config, computed))


def altering_options(command: Sequence[str]) -> tuple[str, ...]:
    """Return options of a server's command, by name, that make another model of what it loads."""
    names = (part.partition("=")[0] for part in command)
    return tuple(dict.fromkeys(name for name in names if _ALTERS.fullmatch(name)))


def without_windows(config: JsonObject) -> JsonObject:
    """Return changes by which every layer attends to everything."""
    changes: JsonObject = {
        name: None for name in ("sliding_window", "attention_chunk_size") if config.get(name)
    }
    if "use_sliding_window" in config:
        changes["use_sliding_window"] = False
    layers = config.get("layer_types")
    if isinstance(layers, list):
        changes["layer_types"] = [_FULL if "attention" in str(layer) else layer for layer in layers]
    return changes


def _windows(config: JsonObject, architecture: str) -> Iterator[Suspect]:
    context = config.get("max_position_embeddings")
    for landmark in landmarks(config) if architecture in _WITHOUT_WINDOWS else ():
        window = not landmark.setting.startswith("original_max")
        if window and isinstance(context, int) and landmark.position < context:
            yield Suspect(setting=str(landmark), changes=without_windows(config))


def _layer_pattern(config: JsonObject, architecture: str) -> Iterator[Suspect]:
    pattern, layers = _PATTERNS.get(architecture), config.get("layer_types")
    if pattern is None or not isinstance(layers, list) or not config.get("sliding_window", True):
        return
    step, full = pattern
    built_in = [_FULL if n % step == full else _SLIDING for n in range(len(layers))]
    if layers != built_in:
        order = "one full and {} sliding" if full == 0 else "{} sliding and one full"
        setting = f"layer_types other than {order.format(step - 1)} in turn"
        yield Suspect(setting=setting, changes={"layer_types": [*built_in]})


def _attention_scale(config: JsonObject, architecture: str) -> Iterator[Suspect]:
    scalar, size = config.get("query_pre_attn_scalar"), config.get("head_dim")
    if architecture not in _LAYERS_SCALED_BY_WIDTH or not isinstance(scalar, int | float):
        return
    width, heads = config.get("hidden_size"), config.get("num_attention_heads")
    if config.get("num_hidden_layers") == _LAYERS_SCALED_BY_WIDTH[architecture]:
        size = width // heads if isinstance(width, int) and isinstance(heads, int) else size
    if scalar != size:
        setting = f"query_pre_attn_scalar {scalar:g}"
        yield Suspect(setting=setting, changes={"query_pre_attn_scalar": size})


def _rotated_layers(config: JsonObject, architecture: str) -> Iterator[Suspect]:
    layers = config.get("no_rope_layers")
    if architecture != "SmolLM3ForCausalLM" or not isinstance(layers, list):
        return
    built_in = [int((n + 1) % _ROTATED_EVERY != 0) for n in range(len(layers))]
    if [int(bool(layer)) for layer in layers] != built_in:
        step = config.get("no_rope_layer_interval")
        yield Suspect(
            setting=f"no_rope_layers (no_rope_layer_interval {step}, llama.cpp has {_ROTATED_EVERY})",
            changes={"no_rope_layers": [*built_in]},
        )


def _sliding_rotation(config: JsonObject, architecture: str) -> Iterator[Suspect]:
    """Layers with a window are rotated by the base of those that attend to everything."""
    rotation = config.get("rope_parameters")
    if architecture not in _ROTATED_ALIKE or not isinstance(rotation, dict):
        return
    full, sliding = rotation.get(_FULL), rotation.get(_SLIDING)
    if not isinstance(full, dict) or not isinstance(sliding, dict):
        return
    alike: JsonObject = {"rope_type": "default", "rope_theta": full.get("rope_theta")}
    if sliding != alike:
        yield Suspect(
            setting=f"rope_parameters of {_SLIDING}",
            changes={"rope_parameters": {**rotation, _SLIDING: alike}},
        )


def _output_gate(config: JsonObject, architecture: str) -> Iterator[Suspect]:
    """The gate of linear attention; where no kind is given, it is the activation's."""
    said = config.get("output_gate_type") or config.get("hidden_act")
    if architecture in _GATED_BY_SIGMOID and said != _SIGMOID:
        yield Suspect(setting=f"output_gate_type {said}", changes={"output_gate_type": _SIGMOID})


def _activation(config: JsonObject, architecture: str) -> Iterator[Suspect]:
    name = "hidden_activation" if config.get("hidden_activation") else "hidden_act"
    usual = _USUAL_ACTIVATION if architecture in REVIEWED_ARCHITECTURES else None
    said, built_in = config.get(name), _ACTIVATIONS.get(architecture, usual)
    if isinstance(said, str) and built_in is not None and said != built_in:
        yield Suspect(setting=f"hidden_act {said}", changes={name: built_in})


_ALTERS = re.compile(
    r"--(?:hf[-_](?:overrides|config[-_]path)(?:\.[\w.-]+)?|rope[-_][\w-]+|yarn[-_][\w-]+"
    r"|disable[-_]sliding[-_]window|override[-_]kv|json[-_]model[-_]override[-_]args|grp[-_]attn[-_][nw]"
    r"|quantization|load[-_]format|lora[\w-]*|control[-_]vector[\w-]*)|-q"
)
"""`--hf-overrides.sliding_window 40` is vLLM's other way to write a field of JSON."""
_RULES: tuple[Callable[[JsonObject, str], Iterator[Suspect]], ...] = (
    _windows, _layer_pattern, _attention_scale, _rotated_layers, _sliding_rotation, _output_gate, _activation,
)  # fmt: skip
