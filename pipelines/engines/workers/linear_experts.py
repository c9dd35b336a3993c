"""A mixture's experts as linear layers: transformers 5 fuses them, and only apart can they be quantized.

llm-compressor 0.14 has the modules (`modeling/moe/linear_experts.py`): each computes what the fused one does,
one expert after the other. Here transformers is made to build them while it loads, so that a folder with a
matrix for each expert is read as it is stored, whole or quantized, and written under the same names again.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from functools import wraps
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from compressed_tensors.utils import patch_attr
from llmcompressor.modeling.moe.context import get_calibrate_all_experts_flag
from llmcompressor.modeling.moe.linear_experts import LinearExperts2D
from llmcompressor.modeling.moe.linearize import get_non_linearized_moes
from llmcompressor.modeling.moe.llama4 import Llama4LinearExperts
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel
from transformers.conversion_mapping import (
    get_checkpoint_conversion_mapping,
    register_checkpoint_conversion_mapping,
)
from transformers.core_model_loading import WeightConverter, WeightRenaming, WeightTransform
from transformers.models.llama4.modeling_llama4 import Llama4TextExperts

from quantgate.pipelines.engines.workers.classes import auto_model, model_class
from quantgate.pipelines.engines.workers.strict_loading import require_clean
from quantgate.pipelines.formats.experts import APART
from quantgate.pipelines.formats.safetensors import read_tensors

Experts = type[torch.nn.Module]

_NAMES = {"w1": "gate_proj", "w3": "up_proj", "w2": "down_proj"}
_NO_EXPERT = r"(?<!\.\d)(?<!\.\d\d)(?<!\.\d\d\d)"
"""Stands before a pattern that begins behind a module's name: experts' names are numbers.

transformers drops it where it saves, and takes patterns that say `experts` for those that fuse them.
"""
_ACTIVATIONS = ("hidden_act", "hidden_activation", "mlp_hidden_act")


class ExpertsOf:
    """Mixed into a class of linear experts: sizes are those of the fused module, idle experts do not run.

    llm-compressor reads sizes from names in config.json that mean something else for some architectures
    (Hunyuan's `moe_intermediate_size`).
    """

    fused: Experts

    def __init__(self, config: PretrainedConfig) -> None:
        """Build for a configuration of the architecture."""
        with torch.device("meta"):
            fused = self.fused(config)
        super().__init__(_described(fused, config))  # type: ignore[call-arg]  # the linear experts'
        for name, value in vars(fused).items():  # of MiniMax-M3: what its gates are multiplied by
            if isinstance(value, float) and not hasattr(self, name):
                setattr(self, name, value)

    def forward(
        self, states: torch.Tensor, chosen: torch.Tensor, shares: torch.Tensor
    ) -> torch.Tensor:
        """Return the sum of what each token's experts make of it (tokens x hidden), by their shares."""
        if get_calibrate_all_experts_flag():
            every: torch.Tensor = super().forward(states, chosen, shares)  # type: ignore[misc]
            return every
        total = torch.zeros_like(states)
        for expert in torch.unique(chosen).tolist():
            tokens, places = torch.where(chosen == expert)
            made = self[expert](states[tokens]) * shares[tokens, places, None]  # type: ignore[index]
            total.index_add_(0, tokens, made.to(total.dtype))
        return total


class Llama4ExpertsOf(Llama4LinearExperts):  # type: ignore[misc]  # llm-compressor has no types
    """Llama 4's linear experts, built of a text configuration alone."""

    def __init__(self, config: PretrainedConfig) -> None:
        """Build for a configuration of the text part."""
        super().__init__(
            config.num_local_experts, config.hidden_size, config.intermediate_size, config
        )


def load_apart(folder: Path, dtype: torch.dtype) -> PreTrainedModel:
    """Load a folder as transformers does, strictly, with a mixture's experts as linear layers.

    Raises:
        CheckpointError: where tensors are missing or of another shape than the configuration says.
    """
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    names = [tensor.name for tensor in read_tensors(folder)]
    settings = {
        "dtype": dtype,
        "output_loading_info": True,
        "local_files_only": True,
        "ignore_mismatched_sizes": True,  # they are refused below, by name
    }
    with ExitStack() as loading:
        if any(APART.search(name) for name in names):
            loading.enter_context(built_apart(model_class(config, folder), config))
        model, report = auto_model(folder).from_pretrained(folder, **settings)
    require_clean(folder, report)
    take_apart(model)
    return model


def fused_experts(model: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """Return a model's fused experts by name; none where it is dense, or linear already."""
    return dict(get_non_linearized_moes(model))


@torch.no_grad()
def take_apart(model: PreTrainedModel) -> None:
    """Replace a loaded model's fused experts by linear ones with the same weights, a layer at a time."""
    for name, fused in fused_experts(model).items():
        config = getattr(fused, "config", model.config.get_text_config())
        if isinstance(fused, Llama4TextExperts):
            linear = Llama4LinearExperts.from_experts_module(
                fused, SimpleNamespace(text_config=config)
            )
        else:
            linear = linear_class(type(fused)).from_experts_module(fused, config)
        model.set_submodule(name, linear)


@contextmanager
def built_apart(architecture: type[PreTrainedModel], config: PretrainedConfig) -> Iterator[None]:
    """Have transformers build and load a mixture's experts as linear layers; dense models stay as they are.

    For folders that store a matrix for each expert.
    """
    with torch.device("meta"):
        skeleton = architecture(copy(config))
    classes = {type(fused) for fused in fused_experts(skeleton).values()}
    if not classes:
        yield
        return
    modules = {sys.modules[type(part).__module__] for part in skeleton.modules()}
    original = architecture.__init__

    @wraps(original)
    def build(self: PreTrainedModel, *arguments: Any, **named: Any) -> None:
        with (
            ExitStack() as patches
        ):  # no longer: what fills weights with numbers asks for fused ones by class
            for module, fused in product(modules, classes):
                if getattr(module, fused.__name__, None) is fused:
                    patches.enter_context(patch_attr(module, fused.__name__, linear_class(fused)))
            original(self, *arguments, **named)

    with patch_attr(architecture, "__init__", build), _names_apart(skeleton):
        yield


@contextmanager
def _names_apart(skeleton: PreTrainedModel) -> Iterator[None]:
    """Have transformers leave a mixture's experts apart as it reads and writes tensors by name."""
    models = (part for part in skeleton.modules() if isinstance(part, PreTrainedModel))
    before = {
        kind: get_checkpoint_conversion_mapping(kind)
        for kind in {model.config.model_type for model in models}
    }
    for kind, mapping in before.items():
        if mapping:
            apart = _without_fusing(mapping)
            register_checkpoint_conversion_mapping(kind, apart, overwrite=True)
    try:
        yield
    finally:
        for kind, mapping in before.items():
            if mapping:
                register_checkpoint_conversion_mapping(kind, mapping, overwrite=True)


def linear_class(fused: Experts) -> Any:
    """Return the class of linear experts for a fused one."""
    if fused is Llama4TextExperts:
        return Llama4ExpertsOf
    linear = LinearExperts2D.get_linear_experts_cls(fused)
    return type(f"Linear{fused.__name__}", (ExpertsOf, linear), {"fused": fused})


def _without_fusing(mapping: list[WeightTransform]) -> list[WeightTransform]:
    """Return the conversions of a checkpoint's names without those that fuse experts."""
    kept = [
        transform
        for transform in mapping
        if not isinstance(transform, WeightConverter)
        or not any("experts" in pattern for pattern in transform.source_patterns)
    ]
    fusing = [transform for transform in mapping if transform not in kept]
    kept = [_sparing_experts(transform) for transform in kept]
    spelled = {
        short: name
        for short, name in _NAMES.items()
        if any(f".{short}." in pattern for each in fusing for pattern in each.source_patterns)
    }
    return [
        *kept,
        *(
            WeightRenaming(
                source_patterns=rf"\.experts\.(\d+)\.{short}\.",
                target_patterns=rf".experts.\1.{name}.",
            )
            for short, name in spelled.items()
        ),
    ]


def _sparing_experts(transform: WeightTransform) -> WeightTransform:
    """Return a conversion that leaves alone what belongs to a single expert.

    MiniMax-M3 joins every `gate_proj` and `up_proj`, which are those of dense layers and shared experts where
    the routed ones are fused.
    """
    if not isinstance(transform, WeightConverter) or not any(
        transform.compiled_sources.search(f".experts.0.{part}.weight") for part in _NAMES.values()
    ):
        return transform
    sparing = WeightConverter(
        source_patterns=[f"{_NO_EXPERT}{pattern}" for pattern in transform.source_patterns],
        target_patterns=list(transform.target_patterns),
        operations=transform.operations,
    )
    sparing.scope_prefix = transform.scope_prefix
    sparing.base_model_prefix = transform.base_model_prefix
    return sparing


def _described(fused: Any, config: PretrainedConfig) -> SimpleNamespace:
    """Return what `MoEConfig.from_config` asks for, with the sizes that a fused module has."""
    down = fused.down_proj.shape
    inner, hidden = down[1:] if fused.is_transposed else down[:0:-1]
    activation = next((name for name in _ACTIVATIONS if hasattr(config, name)), None)
    return SimpleNamespace(
        model_type=config.model_type,
        num_local_experts=down[0],
        num_experts_per_tok=1,
        moe_latent_size=hidden,
        moe_intermediate_size=inner,
        use_bias=fused.has_bias,
        hidden_act=getattr(config, activation) if activation else None,
        swiglu_limit=getattr(config, "swiglu_limit", None),
        dtype=config.dtype,
    )
