"""Child process: divergence from the base of plain round-to-nearest, emulated on the base's own weights."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from compressed_tensors.offload import disable_onloading, update_offload_parameter
from transformers import DynamicCache, PretrainedConfig, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.verdicts.audit import Divergence
from quantgate.pipelines.domain.verdicts.ruler import Grid, Ruler
from quantgate.pipelines.engines.divergence.base_logits import base_logits
from quantgate.pipelines.engines.divergence.rulers import RulerDivergences, RulersRequest
from quantgate.pipelines.engines.requests import Loadable
from quantgate.pipelines.engines.transformers.workers.divergence import (
    NewCache,
    base_pass,
    divergence,
)
from quantgate.pipelines.engines.transformers.workers.model import LoadedModel, load
from quantgate.pipelines.engines.transformers.workers.rounding import rounded
from quantgate.pipelines.engines.workers.stored_names import stored_layers, whole_layers
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve

_FUSED_DIMENSIONS = 3


def measure(request: RulersRequest, on_progress: OnProgress) -> RulerDivergences:
    """Measure every ruler against the base, each on freshly loaded weights.

    Raises:
        CheckpointError: where the base does not load, or a ruler finds nothing to round.
        InputError: where there is no position to compare.
    """
    folder, sequences, max_tokens = request.base, request.sequences, request.max_tokens
    divergences: list[Divergence] = []
    total, what = 1 + len(request.rulers), "measuring round-to-nearest"
    on_progress(Progress(done=0, total=total, what=what))
    model = Loadable(path=folder, format=None, residence=request.residence)
    with base_logits(request.base_logits, lambda: base_pass(model, sequences, max_tokens)) as base:
        for done, ruler in enumerate(request.rulers, start=2):
            loaded = load(folder, request.residence)
            _take_experts_apart(loaded.model)
            _apply(ruler, loaded)
            divergences.append(divergence(loaded, base, _cache(ruler)))
            del loaded  # before the next one takes its room
            on_progress(Progress(done=done, total=total, what=what))
    return RulerDivergences(values=tuple(divergences))


def _take_experts_apart(model: PreTrainedModel) -> None:
    """Have a mixture's experts as linear layers, to be rounded as those are, with what they are fed."""
    if any(_is_fused(name, parameter) for name, parameter in model.named_parameters()):
        from quantgate.pipelines.engines.workers.linear_experts import take_apart

        take_apart(model)


def _is_fused(name: str, parameter: torch.Tensor) -> bool:
    return "experts" in name and parameter.dim() == _FUSED_DIMENSIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rounded:
    """A weight that a ruler rounds: where it is, and whether it is stored as inputs x outputs."""

    module: torch.nn.Module
    grid: Grid
    name: str = "weight"
    transposed: bool = False


@torch.no_grad()
def _apply(ruler: Ruler, loaded: LoadedModel) -> None:
    """Round a loaded model's weights where they are, and its activations as they come."""
    model = loaded.model
    rounded_weights = 0
    for each in _weights(model, ruler):
        weight = getattr(each.module, each.name).data
        view = weight.T if each.transposed else weight
        view.copy_(rounded(view, each.grid))
        if loaded.on_disk:
            update_offload_parameter(each.module, each.name, weight)
        rounded_weights += 1
    if ruler.weights is not None and not rounded_weights:
        raise CheckpointError(
            f"{type(model).__name__} has no linear layer to round",
            next_step="take a checkpoint whose layers transformers makes as linear ones",
        )
    if ruler.activations is not None:
        _round_activations(model, ruler.activations, head=ruler.head is not None)


def _weights(model: PreTrainedModel, ruler: Ruler) -> Iterator[_Rounded]:
    """Yield each weight that a ruler rounds, once.

    A head that is tied to the embeddings shares their weight in memory and may not on the disk.
    """
    head, embeddings = model.get_output_embeddings(), model.get_input_embeddings()
    with disable_onloading():
        shared = head is not None and head.weight is embeddings.weight
    tied = shared or (head is not None and bool(model.config.get_text_config().tie_word_embeddings))
    if head is not None and ruler.head is not None:
        yield _Rounded(module=head, grid=ruler.head)
        if tied and not shared:
            yield _Rounded(module=embeddings, grid=ruler.head)
    if ruler.embeddings is not None and not tied:
        yield _Rounded(module=embeddings, grid=ruler.embeddings)
    if ruler.weights is None:
        return
    for layer in _linear(model):
        # GPT-2's own kind of layer stores its weight the other way round.
        yield _Rounded(module=layer, grid=ruler.weights, transposed=isinstance(layer, Conv1D))
    for name, parameter in model.named_parameters():
        if _is_fused(name, parameter):  # by a class that nobody takes apart
            module, _, leaf = name.rpartition(".")
            yield _Rounded(module=model.get_submodule(module), grid=ruler.weights, name=leaf)


def _linear(model: PreTrainedModel) -> Iterator[torch.nn.Linear | Conv1D]:
    """Yield every linear layer but the head and those that recipes leave alone."""
    head, whole = model.get_output_embeddings(), whole_layers(model, stored_layers(model))
    for name, module in model.named_modules():
        is_linear = isinstance(module, torch.nn.Linear | Conv1D) and module is not head
        if is_linear and name not in whole:
            yield module


def _round_activations(model: PreTrainedModel, grid: Grid, *, head: bool) -> None:
    def enter(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (rounded(inputs[0], grid), *inputs[1:])

    modules: list[torch.nn.Module] = list(_linear(model))
    if head and (output := model.get_output_embeddings()) is not None:
        modules.append(output)
    for module in modules:
        module.register_forward_pre_hook(enter)


def _cache(ruler: Ruler) -> NewCache:
    """Return what makes caches that hold keys and values as a ruler's would."""
    return DynamicCache if ruler.kv_cache is None else partial(RoundedCache, ruler.kv_cache)


class RoundedCache(DynamicCache):  # type: ignore[misc]  # transformers is untyped here
    """Holds keys and values as a low-precision cache would give them back."""

    def __init__(self, grid: Grid, *, config: PretrainedConfig) -> None:
        """Begin empty."""
        super().__init__(config=config)
        self._grid = grid

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *rest: object, **named: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Round, then store; return all that one layer holds."""
        held = rounded(keys, self._grid), rounded(values, self._grid)
        stored: tuple[torch.Tensor, torch.Tensor] = super().update(*held, layer, *rest, **named)
        return stored


if __name__ == "__main__":
    serve(measure, RulersRequest)
