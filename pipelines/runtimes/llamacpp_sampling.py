"""Choosing the next token: greedy, or at a temperature with one random stream per item."""

import hashlib
from collections.abc import Sequence

import numpy

from pipelines.domain.suite import DecodeSettings
from pipelines.runtimes.llamacpp_slots import Answering, Choose, Logits


def chooser(settings: DecodeSettings) -> Choose:
    """Return how tokens are chosen under these settings."""
    if settings.temperature <= 0:
        return _greedy
    return _Sampled(settings)


def _greedy(logits: Logits, asking: Sequence[Answering]) -> Sequence[int]:
    """Take the most likely token; the one of the lower id where two are equal."""
    del asking
    chosen: list[int] = logits.argmax(axis=1).tolist()
    return chosen


class _Sampled:
    """Draws from the softmax. An item's draws depend on its id and the seed, not on who shares its batch."""

    def __init__(self, settings: DecodeSettings) -> None:
        self._settings = settings
        self._streams: dict[str, numpy.random.Generator] = {}

    def __call__(self, logits: Logits, asking: Sequence[Answering]) -> Sequence[int]:
        return [self._draw(row, sequence) for row, sequence in zip(logits, asking, strict=True)]

    def _draw(self, row: Logits, sequence: Answering) -> int:
        scaled = row.astype(numpy.float64) / self._settings.temperature
        weights = numpy.exp(scaled - scaled.max())
        cumulative = numpy.cumsum(weights)
        point = self._stream(sequence).random() * cumulative[-1]
        return min(int(numpy.searchsorted(cumulative, point, side="right")), len(row) - 1)

    def _stream(self, sequence: Answering) -> numpy.random.Generator:
        item_id = sequence.prompt.item_id
        if not sequence.generated:
            name = f"{self._settings.seed}:{item_id}".encode()
            seed = int.from_bytes(hashlib.sha256(name).digest()[:8], "big")
            self._streams[item_id] = numpy.random.default_rng(seed)
        return self._streams[item_id]
