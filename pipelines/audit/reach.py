"""Passages long enough to reach every position at which a checkpoint's configuration begins to matter.

A sliding window changes nothing in a prompt that fits into it, and a scaled rotation may change nothing
below the length that it was scaled from. So the longest passage goes a quarter beyond the farthest such
position that the context, and the machine, have room for.

Source of the settings: configuration classes of transformers 5.17 (`sliding_window`, `layer_types`,
`attention_chunk_size`, `original_max_position_embeddings` in `rope_parameters`).
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.engines.divergence.base_messages import Passage

STRETCH_POSITIONS = 32
LONGEST_TOKENS = 8192
"""No passage is longer: beyond, attention alone would take minutes a layer on a CPU."""

_SHORT_TOKENS = 128
_USUAL_TOKENS = 512
_LONG_POSITIONS = 256
MOST_POSITIONS = 2 * _SHORT_TOKENS + _LONG_POSITIONS
"""How many positions are compared at most."""
_BEYOND_TOKENS = 64
_SEED = 20261129
_REACHING = re.compile(
    r"(^|_)(sliding_window|window_size|attention_window|local_attention|attention_chunk_size"
    r"|original_max_position_embeddings)$"
)
_WINDOWED_LAYERS = ("sliding", "chunked", "local")


@dataclass(frozen=True, slots=True, kw_only=True)
class Landmark:
    """A position, in tokens, from which on a setting changes what is computed."""

    setting: str
    position: int

    def __str__(self) -> str:
        return f"{self.setting} {self.position}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How long the longest passage is, and which landmarks lie beyond it."""

    longest_tokens: int
    unreached: tuple[Landmark, ...]


def landmarks(config: JsonObject) -> tuple[Landmark, ...]:
    """Return what a configuration names, nearest first; windows that no layer has are left out."""
    named = {
        Landmark(setting=name, position=value)
        for name, value in _settings(config)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0
        if _REACHING.search(name)
        if name.startswith("original_max") or windows_are_used(config)
    }
    return tuple(sorted(named, key=lambda landmark: (landmark.position, landmark.setting)))


def windows_are_used(config: JsonObject) -> bool:
    """Whether any layer is windowed, as far as the configuration says."""
    if config.get("use_sliding_window") is False:
        return False
    layers = config.get("layer_types")
    if not isinstance(layers, list) or not layers:
        return True
    return any(str(layer).startswith(_WINDOWED_LAYERS) for layer in layers)


def reach(config: JsonObject, *, context_tokens: int, room_tokens: int) -> Reach:
    """Return how far to go; `room_tokens` is what the machine has room for.

    Landmarks that no prompt can pass, for want of context, are nobody's concern and left out.
    """
    named = [landmark for landmark in landmarks(config) if landmark.position < context_tokens]
    bound = min(context_tokens, max(_SHORT_TOKENS, min(LONGEST_TOKENS, room_tokens)))
    reached = [landmark for landmark in named if landmark.position + STRETCH_POSITIONS <= bound]
    wished = max((_beyond(landmark.position) for landmark in reached), default=0)
    return Reach(
        longest_tokens=min(bound, max(wished, _USUAL_TOKENS)),
        unreached=tuple(landmark for landmark in named if landmark not in reached),
    )


def unreached_at(
    config: JsonObject, *, last_position: int, context_tokens: int
) -> tuple[Landmark, ...]:
    """Return what begins to matter behind the last compared position, and within the context."""
    return tuple(
        landmark
        for landmark in landmarks(config)
        if last_position < landmark.position < context_tokens
    )


def passages(
    longest_tokens: int, *, ordinary_ids: Sequence[int], beginning: Sequence[int]
) -> tuple[Passage, ...]:
    """Return two short passages, compared at every position, and a long one, compared at 256 positions.

    Tokens are drawn at random; the second half of each repeats its first, so that a trained model has
    something to look up at a distance longer than any window that the passage was made for.
    """
    draw = random.Random(_SEED)
    lengths = [length for length in (_SHORT_TOKENS, _SHORT_TOKENS) if length < longest_tokens]
    return tuple(
        _passage(draw, length, ordinary_ids, beginning) for length in (*lengths, longest_tokens)
    )


def stretches_of(positions: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield begin and end (exclusive) of each run of compared positions that is judged as one."""
    for begin in range(0, len(positions), STRETCH_POSITIONS):
        yield begin, min(begin + STRETCH_POSITIONS, len(positions))


def _passage(
    draw: random.Random, length: int, ordinary_ids: Sequence[int], beginning: Sequence[int]
) -> Passage:
    half = -(-length // 2)
    drawn = [ordinary_ids[draw.randrange(len(ordinary_ids))] for _ in range(half)]
    ids = (*beginning, *drawn, *drawn)[:length]
    count = min(length, _LONG_POSITIONS)
    spread = (length - 1 - index * length // count for index in range(count))
    return Passage(token_ids=ids, positions=tuple(sorted(spread)))


def _beyond(position: int) -> int:
    return position + max(_BEYOND_TOKENS, position // 4)


def _settings(value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    """Yield every named value, however deep: rotations are named by kind of layer."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name, inner
            yield from _settings(inner)
