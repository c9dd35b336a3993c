"""What a GGUF recipe makes of a checkpoint, told from its names, shapes and configuration."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from types import MappingProxyType

from quantgate.pipelines.domain.checkpoint import Checkpoint, TensorFacts
from quantgate.pipelines.domain.recipe import (
    Calibration,
    GgufOptions,
    MeasuredMix,
    Recipe,
    TensorTypeRule,
)
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.domain.variant import MIXED_TYPE, QuantizedTensor
from quantgate.pipelines.engines.expected_folders import tensors_once
from quantgate.pipelines.engines.llamacpp.types.facts import GgufModel, GgufWeight
from quantgate.pipelines.engines.llamacpp.types.rules import UNQUANTIZED, target_types
from quantgate.pipelines.engines.llamacpp.types.table import TENSOR_TYPES
from quantgate.pipelines.engines.llamacpp.types.tensor_names import (
    FALCON,
    GLM5_NEXT,
    NEVER_COVERED,
    gguf_name,
)
from quantgate.pipelines.formats.configuration.language_config import count_of, language_config
from quantgate.pipelines.formats.gguf.types import GGML_TYPES
from quantgate.pipelines.formats.safetensors import StoredTensor

_FULL_PRECISION_BITS = 16
_FULL_PRECISION_TYPES = frozenset({"F32", "F16", "BF16"})
ASKED_FOR_BY_NAME: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("FalconForCausalLM", "RWForCausalLM"), FALCON),
        "Glm5NextForConditionalGeneration": GLM5_NEXT,
        **dict.fromkeys(
            (
                *(
                    "IQuestCoderForCausalLM",
                    "InternLM3ForCausalLM",
                    "JanusForConditionalGeneration",
                ),
                *("LLaMAForCausalLM", "LlamaForCausalLM", "LlavaForConditionalGeneration"),
                *("MistralForCausalLM", "MixtralForCausalLM", "Sarashina2VisionForCausalLM"),
                *("VLlama3ForCausalLM", "VoxtralForConditionalGeneration"),
            ),
            "llama",
        ),
        **dict.fromkeys(
            (
                *("AudioFlamingo3ForConditionalGeneration", "DotsOCRForCausalLM"),
                *("KORMoForCausalLM", "Qwen2AudioForConditionalGeneration", "Qwen2ForCausalLM"),
            ),
            "qwen2",
        ),
        **dict.fromkeys(("OLMoForCausalLM", "OlmoForCausalLM"), "olmo"),
        "DeciLMForCausalLM": "deci",
        "Jais2ForCausalLM": "jais2",
    }
)
"""Classes of the converter whose architecture a rule of llama.cpp asks for; of all others none does."""
_LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.")
_EVERYTHING = r"\.weight$"


def expected_gguf(
    checkpoint: Checkpoint, recipe: Recipe, options: GgufOptions
) -> tuple[QuantizedTensor, ...]:
    """Return what a recipe will make of a checkpoint, before it is converted.

    Where only the converter knows a tensor's name, the file type's main type stands for what it gets.
    """
    return expected_from_gguf(gguf_weights(checkpoint), gguf_model(checkpoint), recipe, options)


def expected_from_gguf(
    weights: Iterable[GgufWeight], model: GgufModel, recipe: Recipe, options: GgufOptions
) -> tuple[QuantizedTensor, ...]:
    """Return every tensor of a converted base with the type that llama.cpp's rules give it.

    A measured mix has no types of its own until it is measured: they are `mix`, at its budget.
    """
    weights = tuple(weights)
    if options.mix is not None:
        names = (weight.name for weight in weights if weight.has_a_type)
        return tuple(_tensors(weights, dict.fromkeys(names, _mixed(options.mix))))
    types = target_types(
        weights,
        model,
        options.file_type,
        rules=options.tensor_types,
        has_imatrix=recipe.calibration is Calibration.IMATRIX,
    )
    return tuple(_tensors(weights, _costs(types)))


def expected_of_converted(
    tensors: Iterable[StoredTensor], metadata: JsonObject, recipe: Recipe, options: GgufOptions
) -> tuple[QuantizedTensor, ...]:
    """Return every tensor of a variant, by the names and numbers of the converted base's own header."""
    model = _converted_model(metadata)
    weights = (
        GgufWeight(name=tensor.name, shape=tensor.shape, architecture=model.architecture)
        for tensor in tensors
    )
    return expected_from_gguf(weights, model, recipe, options)


def scratch_bits(checkpoint: Checkpoint, every: Sequence[GgufOptions]) -> int:
    """Return what lies beside the variants of these options while they are built: the converted base, and
    each candidate of measured mixes, which are measured once for all budgets.
    """
    if not every:
        return 0
    mixes = {options.mix.candidates for options in every if options.mix}
    candidates = sum(
        single_type_bits(checkpoint, kind) for candidates in mixes for kind in candidates
    )
    return candidates + _FULL_PRECISION_BITS * checkpoint.parameter_count


def single_type_bits(checkpoint: Checkpoint, kind: str) -> int:
    """Return what a checkpoint takes, in bits, with one type wherever llama.cpp quantizes."""
    weights = gguf_weights(checkpoint)
    everything = (TensorTypeRule(pattern=_EVERYTHING, type=kind),)
    types = target_types(weights, gguf_model(checkpoint), "Q8_0", rules=everything)
    tensors = _tensors(weights, _costs(types))
    return round(sum(tensor.bits_per_weight * tensor.parameter_count for tensor in tensors))


def mix_bits_range(checkpoint: Checkpoint, mix: MeasuredMix) -> tuple[float, float]:
    """Return the bits a weight, over all that is quantized, of a mix's cheapest and dearest assignment.

    Embeddings and output head have no importance, so they get no candidate that needs it.
    """
    weights = [weight for weight in gguf_weights(checkpoint) if weight.has_a_type]
    kinds = [TENSOR_TYPES[name] for name in mix.candidates]
    least = most = 0.0
    for weight in weights:
        bare = weight.name in NEVER_COVERED
        bits = [k.bits_per_weight for k in kinds if not (bare and k.needs_importance)]
        least += min(bits) * prod(weight.shape)
        most += max(bits) * prod(weight.shape)
    count = sum(prod(weight.shape) for weight in weights)
    return (least / count, most / count) if count else (0.0, 0.0)


def gguf_weights(checkpoint: Checkpoint) -> tuple[GgufWeight, ...]:
    """Return a checkpoint's tensors as the converter writes them: experts of a layer in one tensor."""
    shapes: dict[str, tuple[int, ...]] = {}
    language = {tensor.name for tensor in checkpoint.language_tensors}
    for tensor in tensors_once(checkpoint):
        if tensor.name not in language:
            continue  # what sees or hears is left out of a GGUF
        name = _name(tensor)
        before = shapes.get(name)
        if before is None:
            shapes[name] = tensor.shape
        else:
            shapes[name] = (before[0] + 1 if len(before) > len(tensor.shape) else 2, *tensor.shape)
    called = ASKED_FOR_BY_NAME.get(checkpoint.architecture, "")
    return tuple(
        GgufWeight(name=name, shape=shape, architecture=called) for name, shape in shapes.items()
    )


def gguf_model(checkpoint: Checkpoint) -> GgufModel:
    """Return what config.json says of layers, heads and experts.

    Layers that guess further tokens (`num_nextn_predict_layers`) are layers to llama.cpp where they are
    stored.
    """
    config = language_config(checkpoint.folder)
    heads = count_of(config, "num_attention_heads")
    kv_heads = count_of(config, "num_key_value_heads") or heads
    numbers = (_LAYER.search(tensor.name) for tensor in checkpoint.language_tensors)
    stored = max((1 + int(number[1]) for number in numbers if number), default=0)
    return GgufModel(
        layers=max(count_of(config, "num_hidden_layers"), stored),
        heads=heads,
        kv_heads=kv_heads,
        experts=count_of(config, "num_experts"),
        architecture=ASKED_FOR_BY_NAME.get(checkpoint.architecture, ""),
    )


def _converted_model(metadata: JsonObject) -> GgufModel:
    """Read what llama.cpp's `load_hparams` reads; of numbers by layer the first, as its rules do."""
    architecture = metadata.get("general.architecture")

    def number(key: str) -> int:
        value = metadata.get(f"{architecture}.{key}")
        first = value[0] if isinstance(value, list) and value else value
        return first if isinstance(first, int) else 0

    heads = number("attention.head_count")
    return GgufModel(
        layers=number("block_count"),
        heads=heads,
        kv_heads=number("attention.head_count_kv") or heads,
        experts=number("expert_count"),
        architecture=architecture if isinstance(architecture, str) else "",
    )


def _mixed(mix: MeasuredMix) -> tuple[str, float]:
    return MIXED_TYPE, mix.budget_bits_per_weight


def _costs(types: Mapping[str, str]) -> dict[str, tuple[str, float]]:
    return {name: (kind, GGML_TYPES[kind].bits_per_weight) for name, kind in types.items()}


def _tensors(
    weights: Iterable[GgufWeight], costs: Mapping[str, tuple[str, float]]
) -> Iterator[QuantizedTensor]:
    for weight in weights:
        kind, bits = costs.get(weight.name) or _left_alone(weight)
        yield QuantizedTensor(
            name=weight.name,
            type=kind,
            parameter_count=prod(weight.shape),
            bits_per_weight=bits,
            quantized=kind not in _FULL_PRECISION_TYPES,
        )


def _left_alone(weight: GgufWeight) -> tuple[str, float]:
    """The converter keeps what has one dimension in F32."""
    kind = UNQUANTIZED if len(weight.shape) > 1 else "F32"
    return kind, GGML_TYPES[kind].bits_per_weight


def _name(tensor: TensorFacts) -> str:
    return gguf_name(tensor.name) or tensor.name
