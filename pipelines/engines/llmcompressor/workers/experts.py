"""A mixture's experts in calibration: how many tokens the router chose each for, and how many it was fed.

llm-compressor 0.14 feeds every expert all tokens while it calibrates (`moe_calibrate_all_experts`), and
adds up the outputs of those alone that the router chose: none is calibrated on nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from llmcompressor.modeling.moe.linear_experts import LinearExperts2D
from llmcompressor.modifiers import Modifier
from transformers import PreTrainedModel

from quantgate.pipelines.domain.variant import ExpertTokens
from quantgate.pipelines.engines.llmcompressor.workers.matching import Matched

_NAMED = 3


@dataclass(slots=True)
class ExpertCounts:
    """Tokens by expert, counted as they come; names are those of the checkpoint's tensors."""

    routed: Counter[str] = field(default_factory=Counter)
    fed: Counter[str] = field(default_factory=Counter)
    names: list[str] = field(default_factory=list)

    def result(self) -> tuple[ExpertTokens, ...]:
        """Return what was counted, in the model's order."""
        return tuple(
            ExpertTokens(name=name, routed=self.routed[name], fed=self.fed[name])
            for name in self.names
        )


def count_experts(
    model: PreTrainedModel, matched: Matched, recipe: Sequence[Modifier]
) -> ExpertCounts:
    """Count tokens as they reach experts; see `count_consumption` for whose pass over the rows is watched.

    Nothing is counted where no modifier takes rows, or no expert is addressed.
    """
    counts = ExpertCounts()
    calibrated = [modifier for modifier in recipe if modifier.requires_calibration_data]
    for layer, experts in model.named_modules() if calibrated else ():
        if isinstance(experts, LinearExperts2D) and any(
            name.startswith(f"{layer}.") for name in matched.layers
        ):
            _watch(calibrated[0], counts, experts, _names(layer, experts, matched.stored))
    return counts


def expert_notes(experts: Sequence[ExpertTokens]) -> tuple[str, ...]:
    """Return a sentence on what a mixture was calibrated on; none for a dense model."""
    if not experts:
        return ()
    fed = min(expert.fed for expert in experts), max(expert.fed for expert in experts)
    unchosen = [expert.name for expert in experts if not expert.routed]
    amount = f"{fed[0]:,}" if fed[0] == fed[1] else f"{fed[0]:,} to {fed[1]:,}"
    note = (
        f"{len(experts)} experts were calibrated on {amount} tokens each, whatever the router chose"
    )
    if not unchosen:
        least = min(experts, key=lambda expert: expert.routed)
        return (f"{note}; it chose every one, {least.name} least often ({least.routed:,} tokens)",)
    more = f" and {len(unchosen) - _NAMED} more" if len(unchosen) > _NAMED else ""
    return (
        f"{note}; it chose {len(unchosen)} for no token of the corpus: "
        f"{', '.join(unchosen[:_NAMED])}{more}",
    )


def _names(layer: str, experts: LinearExperts2D, stored: Mapping[str, str]) -> list[str]:
    return [
        stored[f"{layer}.{index}.down_proj"].rpartition(".")[0]
        for index in range(experts.num_experts)
    ]


def _watch(
    modifier: Modifier, counts: ExpertCounts, experts: LinearExperts2D, names: list[str]
) -> None:
    """Have a modifier's hooks count a layer's tokens, by expert."""
    counts.names += names

    def chosen(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        for name, tokens in zip(names, _chosen(inputs, len(names)), strict=True):
            counts.routed[name] += tokens

    modifier.register_hook(experts, chosen, "forward_pre")
    for index, name in enumerate(names):

        def fed(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...], name: str = name) -> None:
            counts.fed[name] += _tokens(inputs[0])

        modifier.register_hook(experts[index], fed, "forward_pre")


def _chosen(inputs: tuple[torch.Tensor, ...], experts: int) -> list[int]:
    """Return how many tokens a router sends to each expert.

    Its choice is an argument (tokens x experts of a token), or, in Llama 4, stands in the states themselves
    (experts x tokens rows): those of experts that a token is not sent to are zero.
    """
    if len(inputs) > 1:
        counted: list[int] = torch.bincount(inputs[1].flatten(), minlength=experts).tolist()
        return counted
    return [_tokens(rows) for rows in inputs[0].reshape(experts, -1, inputs[0].shape[-1])]


def _tokens(rows: torch.Tensor) -> int:
    """Return how many rows (of hidden size) hold anything."""
    return int(rows.any(dim=-1).sum())
