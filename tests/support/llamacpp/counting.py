"""An engine that is arithmetic instead of a model."""

import numpy

from quantgate.pipelines.engines.llamacpp.slots import (
    Batch,
    Logits,
)

VOCABULARY = 50


STOP = 49


class CountingEngine:
    """Says after each token the next higher one, and STOP after 9; remembers every slot's tokens."""

    def __init__(self, *, poisoned_after: int | None = None) -> None:
        self.cache: dict[int, list[int]] = {}
        self.batches: list[Batch] = []
        self.poisoned_after = poisoned_after

    def decode(self, batch: Batch) -> Logits:
        self.batches.append(batch)
        rows: list[Logits] = []
        columns = (batch.tokens, batch.positions, batch.slots, batch.outputs)
        for token, position, slot, output in zip(*columns, strict=True):
            held = self.cache.setdefault(slot, [])
            assert position == len(held), "a token was decoded twice or skipped"
            held.append(token)
            if output:
                rows.append(self._row(token))
        return numpy.array(rows, dtype=numpy.float32).reshape(len(rows), VOCABULARY)

    def _row(self, token: int) -> Logits:
        row = numpy.zeros(VOCABULARY, dtype=numpy.float32)
        row[STOP if token == 9 else (token + 1) % VOCABULARY] = 5.0
        if token == self.poisoned_after:
            row[:] = numpy.nan
        return row

    def copy(self, source: int, target: int) -> None:
        assert not self.cache.get(target), "copied into a slot in use"
        self.cache[target] = list(self.cache[source])

    def release(self, slot: int) -> None:
        self.cache[slot] = []
