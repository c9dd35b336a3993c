"""Distances between two groups of rows, each computed from the groups' sums of row features.

That form is what makes permutation tests cheap: for many labellings of the rows at once, the sums are one
matrix product. Arrays of sums have one labelling a row: shape (labellings, features).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSums:
    """Sums of row features over each group, (labellings, features), and how many rows a group has."""

    traffic: Floats
    corpus: Floats
    traffic_rows: int
    corpus_rows: int


Distance = Callable[[GroupSums], Floats]
"""Groups' sums to one distance per labelling."""


def jensen_shannon(sums: GroupSums) -> Floats:
    """Return the Jensen-Shannon divergence, in bits, of the distributions that summed counts are.

    Lin, "Divergence measures based on the Shannon entropy", IEEE Transactions on Information Theory 37
    (1991), with equal weights: 0 for equal distributions, 1 for such that share nothing.
    """
    traffic, corpus = _shares(sums.traffic), _shares(sums.corpus)
    middle = _entropy((traffic + corpus) / 2.0)
    return middle - (_entropy(traffic) + _entropy(corpus)) / 2.0


def wasserstein(positions: Floats) -> Distance:
    """Return the 1-Wasserstein distance of histograms over rising `positions`, in units of those.

    On a line it is the area between the distribution functions: Vallender, "Calculation of the Wasserstein
    distance between probability distributions on the line", Theory of Probability and its Applications 18
    (1974); as a two-sample statistic: Ramdas, Garcia Trillos and Cuturi, Entropy 19 (2017).
    """
    widths = np.diff(positions)

    def distance(sums: GroupSums) -> Floats:
        below = np.cumsum(sums.traffic, axis=1) / sums.traffic_rows
        below -= np.cumsum(sums.corpus, axis=1) / sums.corpus_rows
        result: Floats = np.abs(below[:, :-1]) @ widths
        return result

    return distance


def mean_discrepancy(sums: GroupSums) -> Floats:
    """Return the squared maximum mean discrepancy under the inner product of the features.

    The unbiased estimate of Gretton et al., "A Kernel Two-Sample Test", JMLR 13 (2012), lemma 6: its mean
    is 0 where both groups come from one distribution, and it may be negative. The last feature must be
    the row's own squared norm over the others.
    """
    n, m = sums.traffic_rows, sums.corpus_rows
    traffic, corpus = sums.traffic[:, :-1], sums.corpus[:, :-1]
    within_traffic = (_squares(traffic) - sums.traffic[:, -1]) / (n * (n - 1))
    within_corpus = (_squares(corpus) - sums.corpus[:, -1]) / (m * (m - 1))
    between = np.einsum("ij,ij->i", traffic, corpus) / (n * m)
    result: Floats = within_traffic + within_corpus - 2.0 * between
    return result


def contributions(traffic: Floats, corpus: Floats) -> Floats:
    """Return what each feature adds to the Jensen-Shannon divergence of two summed counts, in bits."""
    p, q = traffic / traffic.sum(), corpus / corpus.sum()
    middle = (p + q) / 2.0
    result: Floats = -_times_log(middle) + (_times_log(p) + _times_log(q)) / 2.0
    return result


def _shares(counts: Floats) -> Floats:
    result: Floats = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    return result


def _entropy(shares: Floats) -> Floats:
    result: Floats = -_times_log(shares).sum(axis=1)
    return result


def _times_log(shares: Floats) -> Floats:
    """Return x log2 x, which is 0 at 0."""
    result: Floats = shares * np.log2(np.where(shares > 0.0, shares, 1.0))
    return result


def _squares(rows: Floats) -> Floats:
    result: Floats = np.einsum("ij,ij->i", rows, rows)
    return result
