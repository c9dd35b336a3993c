"""Kullback-Leibler divergence over full vocabularies, in bounded memory, for whatever engine gives logits.

Only worker modules import this.
"""

import math
import sys

import numpy
from numpy.typing import NDArray

from quantgate.pipelines.domain.verdicts.audit import Divergence, Resemblance, Tripwires
from quantgate.pipelines.engines.divergence.base_logits import BaseLogits, Logits

_BLOCK_ELEMENTS = 1 << 18
"""Two megabytes in double precision: what stays in a core's cache takes two fifths of the time (measured)."""


class DivergenceSums:
    """Adds up one other's divergence from the base, position by position, in double precision."""

    def __init__(self, base: BaseLogits) -> None:
        """Begin at the base's first position."""
        self._base = base
        self._tokens = 0
        self._agreed = 0
        self._divergence = 0.0
        self._base_signs, self._signs = _Signs(), _Signs()

    def add(self, logits: Logits) -> None:
        """Take the other's logits of the next positions; logits that are not finite diverge infinitely.

        Raises:
            CheckpointError: where the other has another vocabulary than the base.
        """
        self._base.refuse_other(logits.shape[1])
        step = max(1, _BLOCK_ELEMENTS // self._base.vocabulary_size)
        for start in range(0, len(logits), step):
            block = logits[start : start + step]
            self._compare(self._base.read(self._tokens, len(block)), block)
            self._tokens += len(block)

    def _compare(self, base: Logits, block: Logits) -> None:
        if not numpy.isfinite(block).all():
            self._divergence = self._signs.loss = math.inf
            return
        likeliest, others = base.argmax(axis=1), block.argmax(axis=1)
        base_logs, other_logs = log_softmax(base), log_softmax(block)
        self._agreed += int((likeliest == others).sum())
        self._divergence += float((numpy.exp(base_logs) * (base_logs - other_logs)).sum())
        if self._base.next_tokens is not None:
            came = self._base.next_tokens[self._tokens : self._tokens + len(block)]
            self._base_signs.add(base_logs, came, likeliest)
            self._signs.add(other_logs, came, others)

    def result(self, resemblances: tuple[Resemblance, ...] = ()) -> Divergence:
        """Return the mean over all positions; rounding may not make it negative."""
        return Divergence(
            mean_kl=max(0.0, self._divergence / self._tokens),
            top1_agreement=self._agreed / self._tokens,
            tokens=self._tokens,
            resemblances=resemblances,
            tripwires=self._tripwires(),
        )

    def _tripwires(self) -> Tripwires | None:
        if self._base.next_tokens is None:
            return None
        return Tripwires(
            base_perplexity=self._base_signs.perplexity(self._tokens),
            perplexity=self._signs.perplexity(self._tokens),
            base_margin=self._base_signs.margin / self._tokens,
            margin=self._signs.margin / self._tokens,
        )


class _Signs:
    """Adds up one model's loss at the tokens that came next, and its decision margins."""

    def __init__(self) -> None:
        self.loss = 0.0
        self.margin = 0.0

    def add(
        self,
        logs: NDArray[numpy.float64],
        came: NDArray[numpy.int64],
        likeliest: NDArray[numpy.int64],
    ) -> None:
        """Take the next positions; `logs` is used up: its largest values are overwritten."""
        rows = numpy.arange(len(logs))
        self.loss -= float(logs[rows, came].sum())
        first = logs[rows, likeliest]
        logs[rows, likeliest] = -math.inf
        self.margin += float((first - logs.max(axis=1)).sum())

    def perplexity(self, tokens: int) -> float:
        mean = self.loss / tokens
        return math.exp(mean) if mean < math.log(sys.float_info.max) else math.inf


def log_softmax(logits: Logits) -> NDArray[numpy.float64]:
    """Return log probabilities, a row for each position, in double precision."""
    shifted = logits.astype(numpy.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    shifted -= numpy.log(numpy.exp(shifted).sum(axis=1, keepdims=True))
    return shifted
