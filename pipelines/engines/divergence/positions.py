"""A runtime's logits held against a checkpoint's own, position by position.

Only worker modules import this.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy
from numpy.typing import NDArray

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.engines.divergence.base_logits import BaseLogits, Logits
from quantgate.pipelines.engines.divergence.base_messages import (
    LOGITS_FILE,
    CheckpointLogits,
    PositionDivergences,
)
from quantgate.pipelines.engines.divergence.sums import log_softmax
from quantgate.pipelines.files.sealed import read_manifest, verify


@contextmanager
def checkpoint_logits(folder: Path) -> Iterator[BaseLogits]:
    """Yield a checkpoint's own logits from their sealed folder.

    Raises:
        InputError: where they were altered since.
    """
    manifest = read_manifest(folder, CheckpointLogits)
    verify(folder, manifest)
    with (folder / LOGITS_FILE).open("rb") as file:
        yield BaseLogits(manifest.record.vocabulary_size, file)


class PositionComparison:
    """Compares the next positions each time it is given some, in the order of passages."""

    def __init__(self, checkpoint: BaseLogits) -> None:
        """Begin at the first position."""
        self._checkpoint = checkpoint
        self._kl: list[float] = []
        self._agreed: list[bool] = []

    @property
    def compared(self) -> int:
        """How many positions were compared so far."""
        return len(self._kl)

    def add(self, logits: Logits) -> None:
        """Take the runtime's logits of the next positions, a row each.

        Where one of them has more tokens than the other, as some converters leave rows out that no text
        has, both are taken over the tokens that they share.
        """
        for row in logits:
            stored = self._checkpoint.read(self.compared, 1)[0]
            shared = min(len(stored), len(row))
            self._compare(stored[:shared], row[:shared])

    def result(self, positions: int) -> PositionDivergences:
        """Return what was found at each of so many positions.

        Raises:
            WorkerError: where others were compared than were asked for.
        """
        if self.compared != positions:
            raise WorkerError(f"compared {self.compared} positions of {positions}")
        return PositionDivergences(kl=tuple(self._kl), agreed=tuple(self._agreed))

    def _compare(self, stored: NDArray[numpy.float32], row: NDArray[numpy.float32]) -> None:
        if not numpy.isfinite(row).all():
            self._kl.append(math.inf)
            self._agreed.append(False)
            return
        stored_logs, row_logs = log_softmax(stored[None])[0], log_softmax(row[None])[0]
        divergence = float((numpy.exp(stored_logs) * (stored_logs - row_logs)).sum())
        self._kl.append(max(0.0, divergence))
        self._agreed.append(bool(stored.argmax() == row.argmax()))
