"""A base's logits at every compared position, on disk: run once, held against as many others as there are.

Only worker modules import this. A vocabulary of 128k takes half a megabyte a token, so logits go to a file
and come back block by block beside each of the others'.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from threading import Lock
from typing import BinaryIO

import numpy
from numpy.typing import NDArray

from quantgate.pipelines.domain.errors import CheckpointError, InputError, ToolchainError
from quantgate.pipelines.engines.loading_report import COPY_AGAIN
from quantgate.pipelines.files.disk.full import full_disk
from quantgate.pipelines.files.sealed import is_sealed, produce_once, read_manifest, verify

Logits = NDArray[numpy.float32]
"""Positions x vocabulary."""
Windows = Sequence[tuple[int, ...]]
"""Token ids; every position but a window's last is compared."""

_FILE = "logits.f32"
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
        raise InputError(
            "holds no sequence of two tokens or more",
            where=str(sequences),
            next_step="draw a corpus with longer rows (docs/corpora.md)",
        )
    return tuple(windows)


def refuse_unknown(windows: Windows, vocabulary_size: int, sequences: Path) -> None:
    """Raise for ids that the base's engine would refuse.

    Raises:
        InputError: naming the highest.
    """
    highest = max(max(window) for window in windows)
    if highest >= vocabulary_size:
        raise InputError(
            f"token id {highest} is none of the base's {vocabulary_size}",
            where=str(sequences),
            next_step="take tokenizer and weights of one revision",
        )


def next_tokens(windows: Windows) -> list[int]:
    """Return the tokens that came next at the compared positions of these windows, in their order."""
    return [token for window in windows for token in window[1:]]


def batch_tokens(vocabulary_size: int) -> int:
    """Return how many positions to ask an engine for at once: 64 MiB of logits, 16 to 512 positions."""
    fitting = _BATCH_BYTES // (4 * vocabulary_size)
    return max(_FEWEST_BATCH_TOKENS, min(_MOST_BATCH_TOKENS, fitting))


class BaseLogits:
    """The base's logits of every compared position, in a file, in the order in which they were added.

    `windows` are the tokens at these positions, where they are known: with them perplexities and decision
    margins are measured beside the divergence.
    """

    def __init__(self, vocabulary_size: int, file: BinaryIO, windows: Windows = ()) -> None:
        """Read from, or add to, a file that somebody else closes."""
        self.vocabulary_size, self.windows = vocabulary_size, windows
        self.next_tokens = numpy.array(next_tokens(windows)) if windows else None
        self._file = file
        self._lock = Lock()

    def add(self, logits: Logits) -> None:
        """Append positions.

        Raises:
            CheckpointError: where the base's logits are not finite: nothing can be held against them.
            OSError: where the disk is full.
        """
        if not numpy.isfinite(logits).all():
            raise CheckpointError(
                "the base's own logits are not finite",
                next_step=COPY_AGAIN,
            )
        self._file.write(numpy.ascontiguousarray(logits, dtype=numpy.float32).data)
        self._file.flush()

    def refuse_other(self, vocabulary_size: int) -> None:
        """Refuse to be compared with another vocabulary.

        Raises:
            CheckpointError: with both sizes.
        """
        if vocabulary_size != self.vocabulary_size:
            raise CheckpointError(
                f"has {vocabulary_size} logits a token and the base {self.vocabulary_size}: "
                "there is no divergence between different vocabularies",
                next_step="take a variant that was made from this base",
            )

    def read(self, start: int, count: int) -> Logits:
        """Return `count` positions from `start` on; safe from several threads at once."""
        with self._lock:
            self._file.seek(4 * start * self.vocabulary_size)
            raw = self._file.read(4 * count * self.vocabulary_size)
        return numpy.frombuffer(raw, dtype=numpy.float32).reshape(count, self.vocabulary_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLogits:
    """What stands in the manifest of kept logits."""

    vocabulary_size: int
    windows: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BasePass:
    """A loaded base about to be run: `logits` yields those of every compared position, in batches."""

    vocabulary_size: int
    windows: Windows
    logits: Iterator[Logits]


LoadBase = Callable[[], AbstractContextManager[BasePass]]


@contextmanager
def temporary_file() -> Iterator[BinaryIO]:
    """Yield a file without a name for logits that are not kept.

    Raises:
        ToolchainError: where the temporary folder is full.
    """
    with TemporaryFile(prefix="quantgate-logits-") as file:
        try:
            yield file
        except OSError as error:
            full = full_disk(error, Path(gettempdir()))
            if full is None:
                raise
            hint = "free space there, or set TMPDIR to a folder that has some"
            raise ToolchainError(full.what, where=full.where, next_step=hint) from error


@contextmanager
def base_logits(kept: Path | None, load: LoadBase) -> Iterator[BaseLogits]:
    """Yield a base's logits, which are run for only where `kept` does not hold them yet.

    The base is unloaded before they are yielded. `kept` is a folder to be sealed, named by all that its
    content depends on; with None they go to a file without a name, and are gone afterwards.

    Raises:
        CheckpointError: where the base's logits are not finite.
        InputError: where what was kept was altered since.
        ToolchainError: where the disk is full.
    """
    if kept is None:
        with temporary_file() as file:
            yield _run(load, file)
        return
    if is_sealed(kept):
        verify(kept, read_manifest(kept, KeptLogits))
    record = produce_once(kept, KeptLogits, lambda staging: _keep(load, staging)).record
    with (kept / _FILE).open("rb") as read:
        yield BaseLogits(record.vocabulary_size, read, record.windows)


def _keep(load: LoadBase, staging: Path) -> KeptLogits:
    with (staging / _FILE).open("wb") as file:
        logits = _run(load, file)
    return KeptLogits(vocabulary_size=logits.vocabulary_size, windows=tuple(logits.windows))


def _run(load: LoadBase, file: BinaryIO) -> BaseLogits:
    with load() as base:
        logits = BaseLogits(base.vocabulary_size, file, base.windows)
        for batch in base.logits:
            logits.add(batch)
    return logits
