"""AWQ and SmoothQuant as llm-compressor has them, watched: what they smoothed, and that it changed nothing.

Both divide a layer's output channels by scales and multiply them into the layers behind it, before anything
is rounded: in exact arithmetic the model computes the same. llm-compressor skips a layer that saw no tokens,
or NaN, with a log line at most, and what it takes from its table of architectures is wrong for some
(SmoothQuant destroys Gemma2 and Gemma3).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from llmcompressor.core import Event, State
from llmcompressor.modifiers import Modifier
from llmcompressor.modifiers.transform.awq import AWQModifier
from llmcompressor.modifiers.transform.smoothquant import SmoothQuantModifier
from llmcompressor.modifiers.utils.hooks import HooksMixin
from llmcompressor.utils.dev import get_main_device
from pydantic import PrivateAttr
from transformers import PreTrainedModel

from quantgate.pipelines.domain.errors import CheckpointError

_BLOCK = re.compile(r".*?\.\d+(?=\.)")
_LONGEST_ROW_TOKENS = 512
_TOLERATED_CHANGE = 0.1
"""Share of the hidden states' norm. Rounding scaled weights to bfloat16 moves them by about 0.01."""


@dataclass(slots=True)
class Smoothed:
    """Names of the layers that were to be smoothed, and of those that were, in the order they were.

    `before` and `after` are the last hidden states for `row` (1 x tokens ids).
    """

    row: torch.Tensor | None = None
    chosen: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    before: torch.Tensor | None = None
    after: torch.Tensor | None = None

    @property
    def change(self) -> float:
        """How far a token's hidden states moved, as a share of their norm; NaN where they were not taken.

        Of half the tokens they moved by less: a few of a mixture's go to another expert for a rounding error.
        """
        if self.before is None or self.after is None:
            return float("nan")
        moved = (self.after - self.before).norm(dim=-1) / self.before.norm(dim=-1)
        return float(moved.median())

    def hidden_states(self, model: PreTrainedModel) -> torch.Tensor | None:
        """Return the model's last hidden states for the row, in float32 on the CPU."""
        if self.row is None:
            return None
        row = self.row[:, :_LONGEST_ROW_TOKENS].to(get_main_device())
        with torch.no_grad(), HooksMixin.disable_hooks():
            states: torch.Tensor = model.base_model(input_ids=row, use_cache=False)[0]
        return states.float().cpu()


class _Watched:
    """What both do beside smoothing: look at the model before and after, note what is to be done.

    No `Modifier` itself: pydantic would take that one's defaults before those of the modifier behind it.
    """

    _smoothed: Smoothed

    @property
    def smoothed(self) -> Smoothed:
        """What was smoothed."""
        return self._smoothed

    def on_calibration_start(self, state: State, event: Event, **named: object) -> None:
        """Look at the model, then do as llm-compressor does."""
        self._smoothed.before = self._smoothed.hidden_states(state.model)
        super().on_calibration_start(state, event, **named)  # type: ignore[misc]  # the modifier's
        self._smoothed.chosen = self._chosen()

    def on_calibration_end(self, state: State, event: Event, **named: object) -> None:
        """Do as llm-compressor does, then look at the model again."""
        super().on_calibration_end(state, event, **named)  # type: ignore[misc]  # the modifier's
        self._smoothed.after = self._smoothed.hidden_states(state.model)

    def _chosen(self) -> list[str]:
        """Return the names of the layers that are to be smoothed."""
        raise NotImplementedError


class Awq(_Watched, AWQModifier):  # type: ignore[misc]  # llm-compressor has no types
    """AWQ that remembers what it did; llm-compressor forgets it as it finishes."""

    _smoothed: Smoothed = PrivateAttr(default_factory=Smoothed)

    def on_calibration_end(self, state: State, event: Event, **named: object) -> None:
        """Do as `AWQModifier` does; its metrics name each layer that was smoothed."""
        super().on_calibration_end(state, event, **named)
        self._smoothed.done = [str(metric["layer_name"]) for metric in self._error_metrics]

    def _chosen(self) -> list[str]:
        return [mapping.smooth_name for mapping in self._resolved_mappings]


class SmoothQuant(_Watched, SmoothQuantModifier):  # type: ignore[misc]  # llm-compressor has no types
    """SmoothQuant that remembers what it did."""

    _smoothed: Smoothed = PrivateAttr(default_factory=Smoothed)

    def _chosen(self) -> list[str]:
        return [mapping.smooth_name for mapping in self.resolved_mappings_]

    def _apply_smoothing(self, model: torch.nn.Module) -> None:
        """Smooth; a layer's statistics are dropped once it is."""
        before = list(self.scales_)
        super()._apply_smoothing(model)
        self._smoothed.done += [name for name in before if name not in self.scales_]


def watch(recipe: Iterable[Modifier], row: torch.Tensor) -> None:
    """Have every smoothing modifier of a recipe compare the model's answer to a row before and after."""
    for modifier in recipe:
        if isinstance(modifier, _Watched):
            modifier.smoothed.row = row


def smoothing_notes(
    recipe: Iterable[Modifier], layers: Iterable[str], *, where: str
) -> tuple[str, ...]:
    """Return one sentence for each smoothing modifier of a recipe that has run: what it smoothed.

    `layers` are the names of those the recipe addresses.

    Raises:
        CheckpointError: where a layer was left out, a decoder block has fewer smoothed layers than
            others with the same layers, or the model does not compute what it did before.
    """
    blocks: dict[str, set[str]] = defaultdict(set)
    for name in layers:
        if block := _BLOCK.match(name):
            blocks[block.group()].add(name[block.end() :])
    kinds = {block: frozenset(inside) for block, inside in blocks.items()}
    return tuple(
        _note(type(modifier).__name__, modifier.smoothed, kinds, where)
        for modifier in recipe
        if isinstance(modifier, _Watched)
    )


def _note(name: str, smoothed: Smoothed, kinds: Mapping[str, frozenset[str]], where: str) -> str:
    """Say what was smoothed. `kinds` has the layers of each block: blocks with the same ones are alike."""
    left_out = [layer for layer in smoothed.chosen if layer not in smoothed.done]
    counts = Counter(match.group() for layer in smoothed.done if (match := _BLOCK.match(layer)))
    most: Counter[frozenset[str]] = Counter()
    for block, kind in kinds.items():
        most[kind] = max(most[kind], counts[block])
    short = [block for block, kind in kinds.items() if counts[block] < max(most[kind], 1)]
    if left_out or short:
        named = ", ".join((left_out or short)[:3])
        raise CheckpointError(
            f"{name} smoothed {len(smoothed.done)} of {len(smoothed.chosen)} layers, "
            f"and none or fewer of {named}",
            where=where,
            next_step="see the log; choose a recipe without smoothing",
        )
    if not smoothed.change <= _TOLERATED_CHANGE:
        raise CheckpointError(
            f"{name} changed what the model computes by {smoothed.change:.0%}, and smoothing alone must "
            "change nothing: llm-compressor's table of layers is wrong for this architecture",
            where=where,
            next_step="choose a recipe without smoothing",
        )
    return (
        f"{name} smoothed {len(smoothed.done)} of {len(smoothed.chosen)} layers, "
        f"{' or '.join(map(str, sorted(set(most.values()))))} in each of {len(kinds)} blocks; "
        f"the last hidden states moved by {smoothed.change:.2%}"
    )
