"""Kullback-Leibler divergence over full vocabularies, in bounded memory, for whatever engine gives logits.

Only worker modules import this. A vocabulary of 128k takes half a megabyte a token, so the base's logits
go to a temporary file, once, and come back block by block beside each of the others'.
"""

import json
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy
from numpy.typing import NDArray

from pipelines.domain.audit import Divergence, Resemblance, Tripwires
from pipelines.domain.errors import CheckpointError, InputError, ToolchainError

Logits = NDArray[numpy.float32]
"""Positions x vocabulary."""

_BLOCK_ELEMENTS = 1 << 21
_BATCH_BYTES = 1 << 26
_FEWEST_BATCH_TOKENS, _MOST_BATCH_TOKENS = 16, 512


def read_windows(
    sequences: Path, *, max_tokens: int, context_tokens: int
) -> tuple[tuple[int, ...], ...]:
    """Return token ids, a sequence each, with `max_tokens` positions that have a successor at most.

    A sequence longer than the context is cut to it, and the last one to what is left of `max_tokens`.

    Raises:
        InputError: where no sequence has two tokens.
    """
    windows: list[tuple[int, ...]] = []
    left = max_tokens
    with sequences.open("rb") as file:
        for line in file:
            ids = tuple(json.loads(line)["token_ids"])[: min(context_tokens, left + 1)]
            if len(ids) > 1:
                windows.append(ids)
                left -= len(ids) - 1
            if left <= 0:
                break
    if not windows:
        raise InputError("holds no sequence of two tokens or more", where=str(sequences))
    return tuple(windows)


def batch_tokens(vocabulary_size: int) -> int:
    """Return how many positions to ask an engine for at once: 64 MiB of logits, 16 to 512 positions."""
    fitting = _BATCH_BYTES // (4 * vocabulary_size)
    return max(_FEWEST_BATCH_TOKENS, min(_MOST_BATCH_TOKENS, fitting))


class BaseLogits:
    """The base's logits of every compared position, on disk, in the order in which they were added.

    `next_tokens` are the ids that really came next at these positions, where they are known: with them
    perplexities and decision margins are measured beside the divergence.
    Used in a `with` statement it gives its space back at the end of that, else when it is collected.
    """

    def __init__(self, vocabulary_size: int, next_tokens: Sequence[int] | None = None) -> None:
        """Begin with none, in a file without a name."""
        self.vocabulary_size = vocabulary_size
        self.next_tokens = None if next_tokens is None else numpy.array(next_tokens)
        self._file = tempfile.TemporaryFile(prefix="quantgate-logits-")  # noqa: SIM115 - see `__exit__`

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, logits: Logits) -> None:
        """Append positions.

        Raises:
            CheckpointError: where the base's logits are not finite: nothing can be held against them.
            ToolchainError: where the temporary folder is full.
        """
        if not numpy.isfinite(logits).all():
            raise CheckpointError("the base's own logits are not finite")
        try:
            self._file.write(numpy.ascontiguousarray(logits, dtype=numpy.float32).tobytes())
            self._file.flush()
        except OSError as error:
            raise ToolchainError(
                f"cannot keep the base's logits ({error})",
                where=tempfile.gettempdir(),
                next_step="free space there, or set TMPDIR to a folder that has some",
            ) from error

    def read(self, start: int, count: int) -> Logits:
        """Return `count` positions from `start` on."""
        self._file.seek(4 * start * self.vocabulary_size)
        raw = self._file.read(4 * count * self.vocabulary_size)
        return numpy.frombuffer(raw, dtype=numpy.float32).reshape(count, self.vocabulary_size)


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
        if logits.shape[1] != self._base.vocabulary_size:
            raise CheckpointError(
                f"has {logits.shape[1]} logits a token and the base {self._base.vocabulary_size}: "
                "there is no divergence between different vocabularies"
            )
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
        base_logs, other_logs = _log_softmax(base), _log_softmax(block)
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


def next_tokens(windows: Sequence[tuple[int, ...]]) -> list[int]:
    """Return the tokens that came next at the compared positions of these windows, in their order."""
    return [token for window in windows for token in window[1:]]


def _log_softmax(logits: Logits) -> NDArray[numpy.float64]:
    shifted = logits.astype(numpy.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    shifted -= numpy.log(numpy.exp(shifted).sum(axis=1, keepdims=True))
    return shifted
