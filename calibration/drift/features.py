"""What a row is to a distance: a vector of features. Rows by features, dense or sparse."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from typing_extensions import override

from quantgate.calibration.drift.distances import Floats

_STEPS_PER_OCTAVE = 16


class Features(Protocol):
    """Feature vectors of all rows."""

    def total(self) -> Floats:
        """Return the sum over all rows, (features,)."""
        ...

    def sums(self, labellings: NDArray[np.float32]) -> Floats:
        """Return (labellings, features): the sums over the rows that (labellings, rows) mark with 1."""
        ...


@dataclass(frozen=True, slots=True)
class Dense(Features):
    """Features as an array (rows, features) of float32; sums are good to six digits."""

    rows: NDArray[np.float32]

    @override
    def total(self) -> Floats:
        result: Floats = self.rows.sum(axis=0, dtype=np.float64)
        return result

    @override
    def sums(self, labellings: NDArray[np.float32]) -> Floats:
        return (labellings @ self.rows).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Sparse(Features):
    """Counts, held as scipy's compressed rows of (features, rows)."""

    columns: Any

    @override
    def total(self) -> Floats:
        return np.asarray(self.columns.sum(axis=1), dtype=np.float64).ravel()

    @override
    def sums(self, labellings: NDArray[np.float32]) -> Floats:
        return np.asarray(self.columns @ labellings.T, dtype=np.float64).T


def counted(rows: Sequence[NDArray[np.int64]]) -> tuple[Sparse, NDArray[np.int64]]:
    """Return how often each row holds each id, and the ids in the order of the features."""
    pairs = [np.unique(row, return_counts=True) for row in rows]
    ids, feature = np.unique(np.concatenate([held for held, _ in pairs]), return_inverse=True)
    row = np.repeat(np.arange(len(rows)), [len(held) for held, _ in pairs])
    often = np.concatenate([counts for _, counts in pairs]).astype(np.float32)
    return Sparse(csr_array((often, (feature, row)), shape=(len(ids), len(rows)))), ids


def categories(names: Sequence[str]) -> tuple[Dense, tuple[str, ...]]:
    """Return one feature a name, 1 where the row has it, and the names in the order of the features."""
    distinct = tuple(sorted(set(names)))
    place = {name: number for number, name in enumerate(distinct)}
    rows = np.zeros((len(names), len(distinct)), dtype=np.float32)
    rows[np.arange(len(names)), [place[name] for name in names]] = 1.0
    return Dense(rows), distinct


def octaves(lengths: Sequence[int]) -> tuple[Dense, Floats]:
    """Return one feature a length, and the rising positions of those: log2(1 + length) in 16ths."""
    steps = np.round(np.log2(1.0 + np.asarray(lengths)) * _STEPS_PER_OCTAVE)
    positions, place = np.unique(steps, return_inverse=True)
    rows = np.zeros((len(steps), len(positions)), dtype=np.float32)
    rows[np.arange(len(steps)), place] = 1.0
    return Dense(rows), positions / _STEPS_PER_OCTAVE
