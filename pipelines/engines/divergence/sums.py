"""Kullback-Leibler divergence over full vocabularies, in bounded memory, for whatever engine gives logits.

Only worker modules import this.
"""

import math
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from quantgate.pipelines.domain.verdicts.audit import Divergence, Resemblance, Tripwires
from quantgate.pipelines.engines.divergence.base_logits import BaseLogits, Logits

_BLOCK_ELEMENTS = 1 << 17
"""A megabyte in double precision: what stays in a core's cache takes two fifths of the time (measured)."""

Doubles = NDArray[numpy.float64]


class DivergenceSums:
    """Adds up one other's divergence from the base, position by position, in double precision.

    Up to `threads` blocks of positions are compared at a time; they are added in their order, so that the
    last digits depend on nothing else.
    """

    def __init__(self, base: BaseLogits, threads: int = 1) -> None:
        """Begin at the base's first position."""
        self._base, self._threads = base, threads
        self._tokens = 0
        self._sums = _BlockSums()

    def add(self, logits: Logits) -> None:
        """Take the other's logits of the next positions; logits that are not finite diverge infinitely.

        Raises:
            CheckpointError: where the other has another vocabulary than the base.
        """
        self._base.refuse_other(logits.shape[1])
        step = max(1, _BLOCK_ELEMENTS // self._base.vocabulary_size)
        first = self._tokens

        def compared(start: int) -> _BlockSums:
            return self._compared(first + start, logits[start : start + step])

        for sums in _mapped(compared, range(0, len(logits), step), self._threads):
            self._sums = self._sums.plus(sums)
        self._tokens += len(logits)

    def _compared(self, position: int, block: Logits) -> "_BlockSums":
        base = self._base.read(position, len(block))
        came = self._base.next_tokens
        return compared(base, block, None if came is None else came[position:][: len(block)])

    def result(self, resemblances: tuple[Resemblance, ...] = ()) -> Divergence:
        """Return the mean over all positions; rounding may not make it negative."""
        return Divergence(
            mean_kl=max(0.0, self._sums.divergence / self._tokens),
            top1_agreement=self._sums.agreed / self._tokens,
            tokens=self._tokens,
            resemblances=resemblances,
            tripwires=self._tripwires(),
        )

    def _tripwires(self) -> Tripwires | None:
        if self._base.next_tokens is None:
            return None
        return Tripwires(
            base_perplexity=_perplexity(self._sums.base_loss, self._tokens),
            perplexity=_perplexity(self._sums.loss, self._tokens),
            base_margin=self._sums.base_margin / self._tokens,
            margin=self._sums.margin / self._tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _BlockSums:
    """Sums over positions: divergence, agreements, and of both models the loss at the tokens that came next
    and the margin between the two likeliest, in nats."""

    divergence: float = 0.0
    agreed: int = 0
    base_loss: float = 0.0
    loss: float = 0.0
    base_margin: float = 0.0
    margin: float = 0.0

    def plus(self, other: "_BlockSums") -> "_BlockSums":
        return _BlockSums(
            divergence=self.divergence + other.divergence,
            agreed=self.agreed + other.agreed,
            base_loss=self.base_loss + other.base_loss,
            loss=self.loss + other.loss,
            base_margin=self.base_margin + other.base_margin,
            margin=self.margin + other.margin,
        )


def compared(base: Logits, other: Logits, came: NDArray[numpy.int64] | None) -> _BlockSums:
    """Return the sums over a block of positions, a row each; `came` are the tokens that came next, if known.

    With a and b the logits below their largest, p the base's probabilities and A and B the sums of exp a and
    exp b: the divergence of a row is the sum of p (a - b), less log A, plus log B. So each logit is
    exponentiated once, and the smallest divergences lose no digit that double precision has.
    """
    if not numpy.isfinite(other.min()) or not numpy.isfinite(other.max()):
        return _BlockSums(divergence=math.inf, loss=math.inf)
    likeliest, others = base.argmax(axis=1), other.argmax(axis=1)
    below, other_below = _below_largest(base, likeliest), _below_largest(other, others)
    weights = numpy.exp(below)
    sums = weights.sum(axis=1)
    logs = numpy.log(sums)
    scratch = numpy.exp(other_below)
    other_logs = numpy.log(scratch.sum(axis=1))
    numpy.subtract(below, other_below, out=scratch)
    divergences = numpy.einsum("ij,ij->i", weights, scratch) / sums - logs + other_logs
    agreed = int((likeliest == others).sum())
    if came is None:
        return _BlockSums(divergence=float(divergences.sum()), agreed=agreed)
    rows = numpy.arange(len(base))
    return _BlockSums(
        divergence=float(divergences.sum()),
        agreed=agreed,
        base_loss=float((logs - below[rows, came]).sum()),
        loss=float((other_logs - other_below[rows, came]).sum()),
        base_margin=_margin(below, likeliest),
        margin=_margin(other_below, others),
    )


def _below_largest(logits: Logits, likeliest: NDArray[numpy.int64]) -> Doubles:
    """Return logits less the largest of their row."""
    largest = numpy.take_along_axis(logits, likeliest[:, None], axis=1)
    below: Doubles = numpy.subtract(logits, largest, dtype=numpy.float64)
    return below


def _margin(below: Doubles, likeliest: NDArray[numpy.int64]) -> float:
    """Return the sum over rows of how far the second likeliest is below the first, which is overwritten."""
    numpy.put_along_axis(below, likeliest[:, None], -math.inf, axis=1)
    return float(-below.max(axis=1).sum())


def _mapped(
    work: Callable[[int], _BlockSums], starts: Iterable[int], threads: int
) -> Iterable[_BlockSums]:
    """Do work for each start, in threads where there are several: numpy leaves the interpreter to them."""
    if threads == 1:
        return map(work, starts)
    with ThreadPoolExecutor(max_workers=threads) as workers:
        return list(workers.map(work, starts))


def _perplexity(loss: float, tokens: int) -> float:
    mean = loss / tokens
    return math.exp(mean) if mean < math.log(sys.float_info.max) else math.inf


def log_softmax(logits: Logits) -> NDArray[numpy.float64]:
    """Return log probabilities, a row for each position, in double precision."""
    shifted = logits.astype(numpy.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    shifted -= numpy.log(numpy.exp(shifted).sum(axis=1, keepdims=True))
    return shifted
