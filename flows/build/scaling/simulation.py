"""Many builds scheduled on paper: which units wait for which, on how many workers and accelerators.

A list schedule: whenever a place is free, the unit that heads the longest chain and may run takes it. What
limits is read off the bounds that no schedule beats: each resource's work by its places, the longest chain.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from quantgate.flows.build.scaling.costs import MeasuredCosts
from quantgate.pipelines.domain.errors import InputError

Resource = Literal["workers", "accelerators", "registrations"]
Limit = Literal["workers", "accelerators", "registrations", "the longest chain", "the scheduler"]

MOST_UNITS = 1_000_000
"""Of which each takes 0.4 kB and seven microseconds."""

SCHEDULER_SECONDS = 0.02
"""CPU seconds of Prefect's server and its client for each unit (docs/benchmarks.md, `units`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What there is to build: `variants` of each of `models` on each of `suites`; and what builds it.

    Without accelerators everything computes on workers. `times` is how much longer each unit that computes
    takes than was measured: for models larger than those, or slower machines.
    """

    models: int
    variants: int
    suites: int
    workers: int
    accelerators: int = 0
    times: float = 1.0

    def units(self, reference_runs: int) -> int:
        """How many units there are: a base, its runs, and of each variant two and two a suite."""
        asked = 1 if self.workers == 1 else max(1, reference_runs)
        return self.models * (1 + self.suites * asked + self.variants * (2 + 2 * self.suites))


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """How long it takes. Seconds; `busy` is the share of that in which a place was taken, by resource.

    `bounds` are times below which no schedule comes, `limit` names the greatest. `runs`, `versions`, and
    sizes in bytes are what registry and store come to hold.
    """

    seconds: float
    busy: dict[Resource, float]
    bounds: dict[Limit, float]
    limit: Limit
    units: int
    runs: int
    versions: int
    registry_bytes: float | None
    store_bytes: float


@dataclass(slots=True)
class _Unit:
    seconds: float
    resource: Resource
    followers: list["_Unit"]
    waits_for: int = 0
    chain: float = 0.0


def forecast(fleet: Fleet, costs: MeasuredCosts) -> Forecast:
    """Schedule a fleet's units by what units were measured to take.

    Raises:
        InputError: there are more of them than are scheduled here.
    """
    count = fleet.units(costs.reference_runs)
    if count > MOST_UNITS:
        raise InputError(
            f"are {count:,} units, and at most {MOST_UNITS:,} are scheduled on paper",
            where=f"{fleet.models:,} models x {fleet.variants:,} variants x {fleet.suites:,} suites",
            next_step="forecast a part of them: time grows with models in proportion once all are busy",
        )
    units = list(_units(fleet, costs))
    _measure_chains(units)
    places: dict[Resource, int] = {
        "workers": fleet.workers,
        "accelerators": fleet.accelerators,
        "registrations": 1,
    }
    work: dict[Resource, float] = defaultdict(float)
    for unit in units:
        work[unit.resource] += unit.seconds
    bounds: dict[Limit, float] = {name: work[name] / max(1, places[name]) for name in work}
    bounds["the longest chain"] = max(unit.chain for unit in units)
    bounds["the scheduler"] = SCHEDULER_SECONDS * len(units)
    seconds = max(_schedule(units, places), bounds["the scheduler"])
    runs = fleet.models * fleet.variants * fleet.suites
    built = fleet.models * fleet.variants
    return Forecast(
        seconds=seconds,
        busy={name: work[name] / (max(1, places[name]) * seconds) for name in work},
        bounds=bounds,
        limit=max(bounds, key=lambda name: bounds[name]),
        units=len(units),
        runs=runs,
        versions=round(runs * costs.pass_share),
        registry_bytes=None if costs.database_bytes is None else costs.database_bytes * runs,
        store_bytes=costs.variant_bytes * built,
    )


def _units(fleet: Fleet, costs: MeasuredCosts) -> Iterator[_Unit]:
    """Yield every unit, those first that others wait for."""
    computing: Resource = "accelerators" if fleet.accelerators else "workers"
    for _ in range(fleet.models):
        base = _Unit(costs.base * fleet.times, computing, [])
        yield base
        runs = 1 if fleet.workers == 1 else max(1, costs.reference_runs)
        each = costs.reference * fleet.times / runs
        references = [
            [_after([base], each, computing) for _ in range(runs)] for _ in range(fleet.suites)
        ]
        yield from (run for asked in references for run in asked)
        for number in range(fleet.variants):
            recipe = costs.recipes[number % len(costs.recipes)]
            built = _after(references[0], recipe.build * fleet.times, computing)
            audited = _after([built], recipe.audit * fleet.times, computing)
            yield from (built, audited)
            for reference in references:
                answered = _after([audited, *reference], recipe.answer * fleet.times, computing)
                yield answered
                yield _after([answered], costs.register, "registrations")


def _after(waited_for: Sequence[_Unit], seconds: float, resource: Resource) -> _Unit:
    unit = _Unit(seconds, resource, [], waits_for=len(waited_for))
    for each in waited_for:
        each.followers.append(unit)
    return unit


def _measure_chains(units: Sequence[_Unit]) -> None:
    for unit in reversed(units):
        unit.chain = unit.seconds + max((each.chain for each in unit.followers), default=0.0)


def _schedule(units: Sequence[_Unit], places: dict[Resource, int]) -> float:
    """Return when the last unit ends."""
    free = dict(places)
    ready: dict[Resource, list[tuple[float, int, _Unit]]] = defaultdict(list)
    running: list[tuple[float, int, _Unit]] = []
    now, number = 0.0, 0
    for unit in units:
        if not unit.waits_for:
            number += 1
            heapq.heappush(ready[unit.resource], (-unit.chain, number, unit))
    while True:
        for resource, waiting in ready.items():
            while waiting and free[resource]:
                unit = heapq.heappop(waiting)[2]
                free[resource] -= 1
                number += 1
                heapq.heappush(running, (now + unit.seconds, number, unit))
        if not running:
            return now
        now, _, ended = heapq.heappop(running)
        free[ended.resource] += 1
        for each in ended.followers:
            each.waits_for -= 1
            if not each.waits_for:
                number += 1
                heapq.heappush(ready[each.resource], (-each.chain, number, each))
