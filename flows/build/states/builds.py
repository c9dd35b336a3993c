"""The builds of a store: which run now, how far each is, and what became of the others."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from quantgate.flows.build.clearing.usage import plans_in_use
from quantgate.flows.build.plan_files import plan_files
from quantgate.flows.build.results.build_result import COMPLETION, BuildResult
from quantgate.flows.progress.elsewhere import units_elsewhere
from quantgate.flows.progress.recorded import UnitProgress, read_progress
from quantgate.pipelines.domain.errors import InputError, NotFoundError
from quantgate.pipelines.files.records import read_checked
from quantgate.pipelines.files.store import Store

PROGRESS = "progress.json"

Running = Literal["running", "done", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildState:
    """A build of a store. `state` is `stopped` where nobody runs it and it has no result.

    `resident_bytes` is the memory that a running one was last seen to hold on the machine of its command.
    `exit_code`, `passed`, `variants` and `page` are those of its latest result, where there is one.
    """

    name: str
    state: Running
    changed_at: float
    units: tuple[UnitProgress, ...]
    resident_bytes: int | None = None
    exit_code: int | None = None
    passed: int | None = None
    variants: int | None = None
    page: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreState:
    """All builds of a store, the latest first; `planning` counts commands that have not named theirs yet."""

    builds: tuple[BuildState, ...]
    planning: int


def progress_file(store: Store, build: str) -> Path:
    """Return where a build's progress is written down."""
    return store.root / "plans" / build / PROGRESS


def recorded_units(store: Store, build: str) -> tuple[UnitProgress, ...]:
    """Return the units of a build's latest run, of all processes, in the order in which they began.

    Raises:
        InputError: what was written down is damaged, or another version's.
    """
    file = progress_file(store, build)
    units = (*read_progress(file).units, *units_elsewhere(file.parent))
    return tuple(sorted(units, key=lambda unit: unit.began_at))


def store_state(store: Store, build: str | None = None) -> StoreState:
    """Return the state of all builds, or of those whose names begin with `build`; starts nothing.

    Raises:
        NotFoundError: there is no such build.
    """
    used = plans_in_use(store)
    names = [plan.parent.name for plan in plan_files(store)]
    chosen = [name for name in names if build is None or name.startswith(build)]
    if build is not None and not chosen:
        raise NotFoundError(
            "is no build of this store",
            where=build,
            next_step=f"builds: {', '.join(names) or 'none'}",
        )
    states = [_state(store, name, running=name in used) for name in chosen]
    states.sort(key=lambda state: state.changed_at, reverse=True)
    return StoreState(builds=tuple(states), planning=used.count(None))


def _state(store: Store, name: str, *, running: bool) -> BuildState:
    file, result = progress_file(store, name), _result(store, name)
    plan = file.parent / "plan.json"
    changed = max(each.stat().st_mtime for each in (file, plan) if each.exists())
    units = recorded_units(store, name)
    if running or result is None:
        state: Running = "running" if running else "stopped"
        resident = read_progress(file).resident_bytes if running else None
        return BuildState(
            name=name, state=state, changed_at=changed, units=units, resident_bytes=resident
        )
    return BuildState(
        name=name,
        state="done",
        changed_at=changed,
        units=units,
        exit_code=result.exit_code,
        passed=sum(row.registered_version is not None for row in result.rows),
        variants=len(result.rows),
        page=result.page,
    )


def _result(store: Store, name: str) -> BuildResult | None:
    file = store.report(name) / COMPLETION
    with suppress(InputError):
        return read_checked(BuildResult, file) if file.is_file() else None
    return None
