"""Permutation tests over rows: were the labels "corpus" and "traffic" dealt at random, how far apart would
the groups be?

Rows, not tokens, are exchangeable: the tokens of a row depend on each other. With B random labellings the
p-value is (1 + those at least as far apart) / (1 + B): Phipson and Smyth, "Permutation p-values should never
be zero", Statistical Applications in Genetics and Molecular Biology 9 (2010). It is valid whatever the
distribution of the rows, as long as both groups are drawn from the same one. Once 50 labellings were at
least as far apart, no more are dealt, and p is 50 / their number: as valid, Besag and Clifford, "Sequential
Monte Carlo p-values", Biometrika 78 (1991).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quantgate.calibration.drift.distances import Distance, Floats, GroupSums
from quantgate.calibration.drift.features import Features

ENOUGH = 50
"""Labellings at least as far apart, after which a test has its answer."""

_LABELLINGS_AT_ONCE = 50
_ROUNDING = 1e-9
"""Labellings that are equally far apart must count as such; sums in another order differ by less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permuted:
    """A distance as it is, its mean over random labellings, and the permutation test's p-value."""

    statistic: float
    chance: float
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Which of the rows are traffic, and how many random labellings that is held against at most."""

    traffic: NDArray[np.bool_]
    permutations: int
    seed: int

    @property
    def traffic_rows(self) -> int:
        """How many rows are traffic."""
        return int(self.traffic.sum())

    @property
    def corpus_rows(self) -> int:
        """How many rows are the corpus's."""
        return len(self.traffic) - self.traffic_rows

    def dealt(self) -> Iterator[NDArray[np.float32]]:
        """Yield random labellings, (labellings, rows) of 0 and 1, a few at a time; the same every time."""
        draw = np.random.default_rng(self.seed)
        left = self.permutations
        while left > 0:
            count = min(left, _LABELLINGS_AT_ONCE)
            dealt = np.tile(self.traffic.astype(np.uint8), (count, 1))
            yield draw.permuted(dealt, axis=1).astype(np.float32)
            left -= count


class _PermutationTest:
    """One test on its way: what it has seen of random labellings so far."""

    def __init__(self, features: Features, distance: Distance, labels: Labels) -> None:
        self._features, self._distance, self._labels = features, distance, labels
        self._total = features.total()
        self._observed = float(distance(group_sums(features, labels))[0])
        self._seen: list[float] = []
        self._at_least = 0
        self.done = False

    def see(self, dealt: NDArray[np.float32]) -> None:
        """Take in some labellings, in their order, up to the one that is enough."""
        sums = _sums(self._features.sums(dealt), self._total, self._labels)
        for distance in self._distance(sums).tolist():
            self._seen.append(distance)
            self._at_least += distance >= self._observed - _ROUNDING
            if self._at_least == ENOUGH:
                self.done = True
                return

    def result(self) -> Permuted:
        """Return the test's answer."""
        seen = len(self._seen)
        return Permuted(
            statistic=self._observed,
            chance=sum(self._seen) / seen,
            p_value=ENOUGH / seen if self.done else (1 + self._at_least) / (1 + seen),
        )


def permutation_tests(
    questions: Sequence[tuple[Features, Distance]], labels: Labels
) -> tuple[Permuted, ...]:
    """Hold each distance of the groups as they are against that of random labellings of the rows.

    All questions see the same labellings.
    """
    trials = [_PermutationTest(features, distance, labels) for features, distance in questions]
    for dealt in labels.dealt():
        waiting = [trial for trial in trials if not trial.done]
        if not waiting:
            break
        for trial in waiting:
            trial.see(dealt)
    return tuple(trial.result() for trial in trials)


def group_sums(features: Features, labels: Labels) -> GroupSums:
    """Return the sums of the groups as they are, one labelling."""
    as_they_are = labels.traffic.astype(np.float32)[None, :]
    return _sums(features.sums(as_they_are), features.total(), labels)


def _sums(traffic: Floats, total: Floats, labels: Labels) -> GroupSums:
    return GroupSums(
        traffic=traffic,
        corpus=total[None, :] - traffic,
        traffic_rows=labels.traffic_rows,
        corpus_rows=labels.corpus_rows,
    )
