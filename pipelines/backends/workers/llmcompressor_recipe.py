"""A recipe's options as an llm-compressor modifier, with counters of what calibration consumes."""

from dataclasses import dataclass

import torch
from compressed_tensors.quantization import is_preset_scheme, preset_name_to_scheme
from compressed_tensors.utils import match_named_modules
from llmcompressor.modifiers import Modifier
from llmcompressor.modifiers.gptq import GPTQModifier
from llmcompressor.modifiers.quantization import QuantizationModifier

from pipelines.domain.errors import CheckpointError, InputError
from pipelines.domain.recipe import CompressedTensorsOptions
from pipelines.process.calls import OnProgress, Progress


@dataclass(slots=True)
class Consumption:
    """What calibration consumed so far, counted where it arrives: at the first quantized layer."""

    sequences: int = 0
    tokens: int = 0


def modifier(options: CompressedTensorsOptions) -> Modifier:
    """Return the modifier; what the options leave open keeps llm-compressor's default.

    Raises:
        InputError: where the scheme is unknown to compressed-tensors or has no groups to be sized.
    """
    if not is_preset_scheme(options.scheme):
        raise InputError(f"scheme {options.scheme} is unknown to compressed-tensors")
    scheme = preset_name_to_scheme(options.scheme, list(options.targets))
    if options.group_size is not None:
        if scheme.weights.group_size is None:
            raise InputError(f"scheme {options.scheme} has no groups, so group_size has no meaning")
        scheme.weights = scheme.weights.model_copy(update={"group_size": options.group_size})
    common = {"config_groups": {"group_0": scheme}, "ignore": list(options.ignore)}
    if options.modifier == "QuantizationModifier":
        return QuantizationModifier(**common)
    tuning = {"dampening_frac": options.dampening_fraction, "actorder": options.actorder}
    return GPTQModifier(**common, **{key: v for key, v in tuning.items() if v is not None})


def matched_modules(
    model: torch.nn.Module, options: CompressedTensorsOptions
) -> dict[str, torch.nn.Module]:
    """Return the modules that the recipe addresses, by name.

    Raises:
        CheckpointError: where there is none; llm-compressor would save an unquantized model.
    """
    matched = dict(match_named_modules(model, list(options.targets), list(options.ignore)))
    if not matched:
        raise CheckpointError(
            f"targets {', '.join(options.targets)} match no layer", where=str(model.name_or_path)
        )
    return matched


def count_consumption(
    *,
    modules: dict[str, torch.nn.Module],
    recipe: Modifier,
    sequences: int,
    on_progress: OnProgress,
) -> Consumption:
    """Count sequences and tokens as they reach the first addressed module, and report progress.

    The hooks are the modifier's own, so that they see calibration passes and not the passes in which
    llm-compressor propagates quantized activations; the modifier removes them when calibration ends.
    """
    consumption, calls, total = Consumption(), 0, len(modules) * sequences
    first = next(iter(modules.values()))

    def arrived(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        nonlocal calls
        calls += 1
        if module is first:
            consumption.sequences += inputs[0].shape[:-1].numel() // inputs[0].shape[-2]
            consumption.tokens += inputs[0].shape[:-1].numel()
        on_progress(Progress(done=calls, total=total, what="calibrating layers"))

    for module in modules.values():
        recipe.register_hook(module, arrived, "forward_pre")
    return consumption
