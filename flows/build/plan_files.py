"""Plans on disk: what the units of a build read, and what later commands know a build by.

A plan names folders by absolute paths, some of them in the store itself (downloads, corpora, imported
suites). It says where the store lay, so that a plan in a store that was moved or copied means that store.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from quantgate.flows.build.plan import BuildPlan
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.secrets import redacted
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.moved import moved
from quantgate.pipelines.files.records import (
    from_json,
    read_checked,
    to_json,
    write_checked,
    write_text,
)
from quantgate.pipelines.files.store import Store

PLAN = "plan.json"
_ANYWAY = "anyway.json"
_COMMAND = "command.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class _StoredPlan:
    store: Path
    plan: JsonObject


def write_plan(plan: BuildPlan, store: Store) -> Path:
    """Write a plan into its store and return the file that its units read.

    `--anyway` is no part of a build's name: a plan that was made with it has a second file, so that neither
    of two builds of one name reads the other's.
    """
    folder = _folder(store) / plan.name
    _write(replace(plan, anyway=False), folder / PLAN, store)
    if not plan.anyway:
        return folder / PLAN
    _write(plan, folder / _ANYWAY, store)
    return folder / _ANYWAY


def write_command(build: str, command: str, store: Store) -> None:
    """Keep the command that started a build, for its page."""
    write_text(_folder(store) / build / _COMMAND, redacted(command) + "\n")


def read_command(build: str, store: Store) -> str:
    """Return the command that last started a build; "" where another program did."""
    path = _folder(store) / build / _COMMAND
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def _write(plan: BuildPlan, path: Path, store: Store) -> None:
    value = to_json(plan)
    assert isinstance(value, dict)
    write_checked(path, _StoredPlan(store=store.root.resolve(), plan=value))


def read_plan(path: Path) -> BuildPlan:
    """Read a plan, with the paths of the store that it lies in now.

    Raises:
        InputError: where it is missing, damaged, or was edited.
    """
    stored = read_checked(_StoredPlan, path)
    here = path.resolve().parents[2]
    try:
        return from_json(BuildPlan, moved(stored.plan, str(stored.store), str(here)))
    except ValueError as error:  # pydantic's is one
        raise InputError(
            "is a plan of another version of quantgate",
            where=str(path),
            next_step="run the same build again",
        ) from error


def plan_files(store: Store) -> Iterator[Path]:
    """Yield the plans of a store, by name."""
    yield from sorted(_folder(store).glob(f"*/{PLAN}"))


def _folder(store: Store) -> Path:
    return store.root / "plans"
