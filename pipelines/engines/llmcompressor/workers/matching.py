"""What a recipe addresses in a loaded model, by the names that layers have there and in the checkpoint."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from compressed_tensors.quantization import is_cached_attention_module
from compressed_tensors.utils import match_name, match_named_modules
from transformers import PreTrainedModel

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.recipe import CompressedTensorsOptions
from quantgate.pipelines.engines.llmcompressor.names import is_head
from quantgate.pipelines.engines.workers.stored_names import stored_layers, whole_layers
from quantgate.pipelines.formats.packed.cache_scales import CACHE_SCALES


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """What a recipe addresses in a model: `layers` by name, and `attentions` whose cache is quantized.

    `targets` and `ignore` are the recipe's, with those names added under which a model has what the recipe
    calls as the checkpoint does, and with what always stays whole (`left_whole`). `stored` has the
    checkpoint's names of all linear layers.
    """

    layers: dict[str, torch.nn.Module]
    attentions: tuple[str, ...]
    targets: tuple[str, ...]
    ignore: tuple[str, ...]
    stored: Mapping[str, str]

    @property
    def promised(self) -> tuple[str, ...]:
        """Tensors that are to be found in the files, by name; a weight by its base's name."""
        weights = [f"{self.stored.get(name, name)}.weight" for name in self.layers]
        scales = [f"{name}.{scale}" for name in self.attentions for scale in CACHE_SCALES]
        return (*weights, *scales)

    @property
    def left(self) -> tuple[str, ...]:
        """Linear layers that stay whole beside quantized ones, by both names; none where all do."""
        left = (name for name in self.stored if self.layers and name not in self.layers)
        return tuple(dict.fromkeys(name for each in left for name in (self.stored[each], each)))


def matched_modules(model: PreTrainedModel, options: CompressedTensorsOptions) -> Matched:
    """Return what the recipe addresses.

    Raises:
        CheckpointError: where there is nothing; llm-compressor would save an unquantized model.
    """
    stored = stored_layers(model)
    targets = (*options.targets, *_otherwise_called(stored, options.targets))
    called = _otherwise_called(stored, options.ignore)
    ignore = (*options.ignore, *called, *whole_layers(model, stored))
    layers = {}
    if options.scheme is not None:
        layers = dict(match_named_modules(model, list(targets), list(ignore)))
        if not layers:
            raise CheckpointError(
                f"targets {', '.join(options.targets)} match no layer",
                where=str(model.name_or_path),
                next_step="name layers in the recipe's `targets` that the checkpoint has",
            )
    return Matched(
        layers=layers,
        attentions=_attentions(model) if options.kv_cache is not None else (),
        targets=targets,
        ignore=tuple(dict.fromkeys(ignore)),
        stored=stored,
    )


def _attentions(model: PreTrainedModel) -> tuple[str, ...]:
    """Return the attention layers whose keys and values are cached."""
    named = model.named_modules()
    attentions = tuple(name for name, module in named if is_cached_attention_module(module))
    if not attentions:
        raise CheckpointError(
            "has no attention layer whose keys and values llm-compressor can quantize",
            where=str(model.name_or_path),
            next_step="leave the KV cache as it is: choose a recipe without kv_fp8",
        )
    return attentions


def _otherwise_called(stored: Mapping[str, str], patterns: Sequence[str]) -> Iterator[str]:
    """Yield layers that a pattern means by their names in the checkpoint, or as an inner model's head."""
    for name, stored_name in stored.items():
        for pattern in patterns:
            meant = match_name(stored_name, pattern) or is_head(stored_name, pattern)
            if meant and not match_name(name, pattern):
                yield name
