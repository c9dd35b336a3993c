"""Texts as vectors of hashed character trigrams.

Signed feature hashing (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009):
each trigram adds +1 or -1 to one of 512 places, so that inner products of rows are, up to noise, those of
their trigram counts. Rows are scaled to length 1: a long row says no more than a short one. Their mean
discrepancy (squared) of two groups that are equal but for a share s of rows from elsewhere is s squared
times the discrepancy of that elsewhere.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PLACES = 512
_ROWS_AT_ONCE = 512
_SIZE = 3
_FACTORS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
"""Odd 64-bit constants, one a position: the trigram's hash is their sum times the code points."""
_DIGITS = (ord("0"), ord("9"))


def with_squares(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return vectors side by side, (rows, all places + 1), with their squared length in the last place.

    Side by side they are scaled so that equal rows have an inner product of 1; each part weighs the same,
    however much longer the texts of one are.
    """
    vectors = np.concatenate(parts, axis=1) / np.float32(np.sqrt(len(parts)))
    squares = np.einsum("ij,ij->i", vectors, vectors)
    return np.concatenate([vectors, squares[:, None]], axis=1)


def trigrams(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return (rows, PLACES): vectors of length 1.

    Case is levelled and every digit is the same, so that numbers look like numbers. A row whose trigrams
    cancel out, if there ever is one, is zero throughout.
    """
    blocks = [
        _block(texts[start : start + _ROWS_AT_ONCE])
        for start in range(0, len(texts), _ROWS_AT_ONCE)
    ]
    vectors = np.concatenate(blocks)
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    vectors /= np.maximum(norms, 1e-12)[:, None]
    return vectors


def _block(texts: Sequence[str]) -> NDArray[np.float32]:
    padded = [f" {text.casefold()} " if text else "   " for text in texts]
    lengths = np.array([len(text) for text in padded])
    points = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    digits = (points >= _DIGITS[0]) & (points <= _DIGITS[1])
    points = np.where(digits, np.uint32(_DIGITS[0]), points).astype(np.uint64)
    count = len(points) - _SIZE + 1
    hashed = np.zeros(count, dtype=np.uint64)
    for position, factor in enumerate(_FACTORS):
        hashed += points[position : position + count] * np.uint64(factor)
    hashed = _mixed(hashed)
    row = np.repeat(np.arange(len(texts)), lengths)
    whole = row[:count] == row[_SIZE - 1 :]  # a trigram that reaches into the next row is none
    place = (hashed >> np.uint64(32)).astype(np.int64) % PLACES
    sign = np.where(hashed & np.uint64(1), 1.0, -1.0)
    index = row[:count] * PLACES + place
    summed = np.bincount(index[whole], weights=sign[whole], minlength=len(texts) * PLACES)
    return summed.reshape(len(texts), PLACES).astype(np.float32)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread sums over all bits: the finalizer of splitmix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
