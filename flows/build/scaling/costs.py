"""What units of a store's builds took, as their logs tell, and what the registry came to hold."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median

from quantgate.flows.build.plan_files import plan_files
from quantgate.flows.build.results.build_result import COMPLETION, BuildResult
from quantgate.flows.build.states.builds import progress_file
from quantgate.flows.progress.times import UnitTime, unit_times
from quantgate.pipelines.domain.errors import InputError, NotFoundError
from quantgate.pipelines.files.records import read_checked
from quantgate.pipelines.files.store import Store
from quantgate.registry import Tracking

_OF_A_BASE = "base in "
_REFERENCE = "reference "
_VARIANT_STEPS = ("build", "audit", "answer", "register")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeCost:
    """Seconds that the steps of one recipe's variant took, the median over a store's builds."""

    recipe: str
    build: float
    audit: float
    answer: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredCosts:
    """What builds of a store cost. Seconds; sizes in bytes.

    `base` is all that is done with a base but asking it, `reference` all of the `reference_runs` in one
    runtime, `register` one registration. `pass_share` of the variants passed. `database_bytes` is the
    registry's for each run in it, None where it is no file.
    """

    builds: int
    base: float
    reference: float
    reference_runs: int
    recipes: tuple[RecipeCost, ...]
    register: float
    pass_share: float
    variant_bytes: float
    database_bytes: float | None


def measured_costs(store: Store) -> MeasuredCosts:
    """Read what the finished builds of a store cost.

    Raises:
        NotFoundError: it has none whose units were all timed.
    """
    timed = [
        (units, result)
        for plan in plan_files(store)
        if (result := _result(store, plan.parent.name)) is not None
        and (units := times_of(store, plan.parent.name))
    ]
    recipes = tuple(timed_recipes([unit for units, _ in timed for unit in units]))
    if not recipes:
        raise NotFoundError(
            "holds no finished build whose units were timed",
            where=str(store.root),
            next_step="build something first: make quantize",
        )
    rows = [row for _, result in timed for row in result.rows]
    runs = sum(len(result.rows) for _, result in timed)
    database = Tracking.resolve(store).database
    size = database.stat().st_size if database is not None and database.is_file() else None
    sizes = [row.size_bytes for row in rows if row.size_bytes]
    return MeasuredCosts(
        builds=len(timed),
        base=mean(_base_seconds(units) for units, _ in timed),
        reference=mean(_reference_seconds(units) for units, _ in timed),
        reference_runs=max(_reference_runs(units) for units, _ in timed),
        recipes=recipes,
        register=_median(u for units, _ in timed for u in units if u.step == "register"),
        pass_share=sum(row.decision == "pass" for row in rows) / max(1, len(rows)),
        variant_bytes=mean(sizes) if sizes else 0.0,
        database_bytes=size / runs if size is not None and runs else None,
    )


def times_of(store: Store, build: str) -> tuple[UnitTime, ...]:
    """Return what the units of a build took that were ever done."""
    return unit_times(progress_file(store, build).parent)


def _median(units: Iterator[UnitTime]) -> float:
    seconds = [unit.seconds for unit in units]
    return median(seconds) if seconds else 0.0


def timed_recipes(units: Sequence[UnitTime]) -> Iterator[RecipeCost]:
    """Yield the recipes of which every step was timed, by name."""
    took: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for unit in units:
        recipe = unit.unit.partition("--")[2]
        if recipe and unit.step in _VARIANT_STEPS:
            took[recipe][unit.step].append(unit.seconds)
    for recipe, steps in sorted(took.items()):
        if {"build", "audit", "answer"} <= set(steps):
            yield RecipeCost(
                recipe=recipe,
                build=median(steps["build"]),
                audit=median(steps["audit"]),
                answer=median(steps["answer"]),
            )


def _base_seconds(units: Sequence[UnitTime]) -> float:
    return sum(
        unit.seconds
        for unit in units
        if unit.unit.startswith(_OF_A_BASE) and not unit.step.startswith(_REFERENCE)
    )


def _reference_seconds(units: Sequence[UnitTime]) -> float:
    """Return what asking the base took in one runtime, the mean over those in play."""
    by_runtime: Mapping[str, list[float]] = defaultdict(list)
    for unit in units:
        if unit.step.startswith(_REFERENCE):
            by_runtime[unit.unit].append(unit.seconds)
    return mean(map(sum, by_runtime.values())) if by_runtime else 0.0


def _reference_runs(units: Sequence[UnitTime]) -> int:
    """Return how often the base was asked in a runtime."""
    return len({unit.step for unit in units if unit.step.startswith(_REFERENCE)})


def _result(store: Store, name: str) -> BuildResult | None:
    file = store.report(name) / COMPLETION
    try:
        return read_checked(BuildResult, file) if file.is_file() else None
    except InputError:
        return None
