"""A recipe's options as llm-compressor modifiers, with counters of what calibration consumes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from compressed_tensors.quantization import (
    QuantizationArgs,
    QuantizationScheme,
    QuantizationStrategy,
    QuantizationType,
    is_preset_scheme,
    preset_name_to_scheme,
)
from llmcompressor.modifiers import Modifier
from llmcompressor.modifiers.gptq import GPTQModifier
from llmcompressor.modifiers.quantization import QuantizationModifier
from llmcompressor.pipelines.cache import IntermediatesCache

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.recipe import CompressedTensorsOptions
from quantgate.pipelines.engines.backend import Consumption
from quantgate.pipelines.engines.llmcompressor.workers.matching import Matched
from quantgate.pipelines.engines.llmcompressor.workers.smoothing import Awq, SmoothQuant
from quantgate.pipelines.process.calls import OnProgress, Progress

_CACHE = QuantizationArgs(
    num_bits=8,
    type=QuantizationType.FLOAT,
    strategy=QuantizationStrategy.TENSOR,
    dynamic=False,
    symmetric=True,
)
"""E4M3 with one fixed scale for a layer's keys and one for its values: what engines read."""


def modifiers(
    options: CompressedTensorsOptions, targets: Sequence[str], ignore: Sequence[str]
) -> list[Modifier]:
    """Return the modifiers in their order; what the options leave open keeps llm-compressor's default.

    Targets and what is ignored are told by the names that layers have in the model, see `Matched`.

    Raises:
        InputError: where the scheme is unknown to compressed-tensors or has no groups to be sized.
    """
    common = {
        "config_groups": {"group_0": _scheme(options, targets)} if options.scheme else {},
        "targets": list(targets) if options.scheme else [],
        "ignore": list(ignore),
        "kv_cache_scheme": _CACHE.model_copy() if options.kv_cache else None,
    }
    smoothing = (
        [SmoothQuant(smoothing_strength=options.smoothing_strength)]
        if options.smoothing_strength is not None
        else []
    )
    if options.modifier == "GPTQModifier":
        tuning = {"dampening_frac": options.dampening_fraction, "actorder": options.actorder}
        chosen = {name: value for name, value in tuning.items() if value is not None}
        return [*smoothing, GPTQModifier(**common, **chosen)]
    if options.modifier == "AWQModifier":
        # AWQ only scales; what rounds the scaled weights is the plain modifier behind it.
        return [Awq(), QuantizationModifier(**common)]
    return [*smoothing, QuantizationModifier(**common)]


def _scheme(options: CompressedTensorsOptions, targets: Sequence[str]) -> QuantizationScheme:
    if not options.scheme or not is_preset_scheme(options.scheme):
        raise InputError(
            f"scheme {options.scheme} is unknown to compressed-tensors",
            next_step="choose another recipe: `quantgate recipes` lists them",
        )
    scheme = preset_name_to_scheme(options.scheme, list(targets))
    if options.group_size is not None:
        if scheme.weights.group_size is None:
            raise InputError(
                f"scheme {options.scheme} has no groups, so group_size has no meaning",
                next_step="leave `group_size` out of the recipe",
            )
        scheme.weights = scheme.weights.model_copy(update={"group_size": options.group_size})
    return scheme


def count_consumption(
    *,
    model: torch.nn.Module,
    matched: Matched,
    recipe: Sequence[Modifier],
    sequences: int,
    on_progress: OnProgress,
) -> Consumption:
    """Count sequences and tokens as they reach the first addressed layer, and report progress.

    Each modifier makes a pass of its own over the rows. The hooks belong to the first one that takes
    rows, so that they see its calibration pass and not the one in which llm-compressor propagates
    quantized activations.

    Raises:
        InputError: where a modifier takes rows and there are none.
    """
    consumption = Consumption()
    calibrated = [modifier for modifier in recipe if modifier.requires_calibration_data]
    if not calibrated:
        return consumption
    if not sequences:
        raise InputError(
            f"{type(calibrated[0]).__name__} is calibrated and was given no sequences",
            next_step="set `calibration: samples` in the recipe and name a corpus",
        )
    modules = list(matched.layers.values()) or _projections(model, matched.attentions)
    calls, total = 0, len(modules) * sequences

    def arrived(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        nonlocal calls
        calls += 1
        if module is modules[0]:
            consumption.sequences += inputs[0].shape[:-1].numel() // inputs[0].shape[-2]
            consumption.tokens += inputs[0].shape[:-1].numel()
        on_progress(Progress(done=min(calls, total), total=total, what="calibrating layers"))

    for module in modules:
        calibrated[0].register_hook(module, arrived, "forward_pre")
    return consumption


def _projections(model: torch.nn.Module, attentions: Sequence[str]) -> list[torch.nn.Module]:
    """Each attention layer's first linear layer: it sees every token once, as a positional argument."""
    return [
        next(
            module
            for module in model.get_submodule(name).modules()
            if isinstance(module, torch.nn.Linear)
        )
        for name in attentions
    ]


@contextmanager
def unpinned_caches() -> Iterator[None]:
    """Keep AWQ from pinning memory where there is no accelerator to copy it to.

    llm-compressor 0.14 pins without asking and torch raises; what is cached is the same either way.
    """
    if torch.accelerator.is_available():
        yield
        return
    pin = IntermediatesCache.pin_memory
    IntermediatesCache.pin_memory = _leave
    try:
        yield
    finally:
        IntermediatesCache.pin_memory = pin


def _leave(_cache: IntermediatesCache, _batch: int, _names: list[str] | None = None) -> None:
    """Stand for `pin_memory` where there is nothing to pin memory for."""
