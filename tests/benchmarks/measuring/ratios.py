"""What a benchmark prints: what something costs us, what it costs the tool alone, and the ratio of both."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ROUNDS = 3
"""Ours and theirs take turns, so that what else the machine does hits both; medians are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Wall time, processor time, and the highest sum of resident memory over all processes of the work."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int

    def then(self, other: "Cost") -> "Cost":
        """Return the cost of doing the other thing afterwards."""
        return one_after_another([self, other])


def one_after_another(costs: Sequence[Cost]) -> Cost:
    """Return the cost of several things done one after the other."""
    return Cost(
        seconds=sum(cost.seconds for cost in costs),
        cpu_seconds=sum(cost.cpu_seconds for cost in costs),
        peak_bytes=max(cost.peak_bytes for cost in costs),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Costs of the same work in several rounds, and how many times theirs ours may be.

    A target of None is one that is not set.
    """

    what: str
    ours: Sequence[Cost]
    theirs: Sequence[Cost]
    most_time: float | None
    most_memory: float | None = None

    @property
    def time_ratio(self) -> float:
        """How many times their wall time ours is."""
        ours, theirs = _medians(self, lambda cost: cost.seconds)
        return ours / theirs

    def show(self) -> None:
        """Print lines for the times, and one for the memory where it has a target.

        Processor time has no target: it tells a slow way of ours from a machine that was busy.
        """
        self._line("wall time", lambda cost: cost.seconds, "s", self.most_time)
        self._line("processor time", lambda cost: cost.cpu_seconds, "s", None)
        if self.most_memory is not None:
            self._line("peak memory", lambda cost: cost.peak_bytes / 1e6, "MB", self.most_memory)

    def _line(
        self, quantity: str, of: Callable[[Cost], float], unit: str, target: float | None
    ) -> None:
        ours, theirs = _medians(self, of)
        ratio = ours / theirs
        verdict = f"  target {target:.2f}  {'ok' if ratio <= target else 'MISS'}" if target else ""
        print(
            f"{self.what + ', ' + quantity:70} ours {ours:7.1f} {unit:2}  theirs {theirs:7.1f} {unit:2}"
            f"  ratio {ratio:.2f}{verdict}",
            flush=True,
        )


def _medians(compared: Comparison, of: Callable[[Cost], float]) -> tuple[float, float]:
    ours, theirs = (statistics.median(map(of, costs)) for costs in (compared.ours, compared.theirs))
    return ours, theirs


def in_turns(
    ours: Callable[[int], Cost], theirs: Callable[[int], Cost], rounds: int = ROUNDS
) -> tuple[list[Cost], list[Cost]]:
    """Return the costs of both, which are given the round's number and take turns."""
    pairs = [(ours(number), theirs(number)) for number in range(rounds)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def show_ratio(what: str, ratio: float) -> None:
    """Print a ratio that has no sides of its own."""
    print(f"{what}: {ratio:.2f}", flush=True)
