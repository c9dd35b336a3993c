"""What has to hold after a strike, and when the same command has completed."""

import time
from collections.abc import Iterable
from pathlib import Path

from quantgate.flows.orchestration.server.state import ServerFolder, is_locked
from quantgate.pipelines.files.store import MANIFEST
from quantgate.pipelines.files.temporary import HALF_WRITTEN
from tests.support.builds.processes import all_in
from tests.support.builds.road import Road, leftovers

COMPLETE = (0, 11)
_CACHE_OF_TORCH = "torchinductor_"
"""The folder that torch makes when it is imported, one for each user of a machine; it stays empty here."""
_ENDED_SECONDS = 60.0
_RESULTS = ("variants/", "runs/", "audits/", "corpora/")
"""What units leave. Beside it stands what helps to make it, and may go when it is not needed any more."""
_LOCKED = ("*.lock", "*.held", "*.lease", "in-use/*")
"""What the kernel frees when its holder dies: locks of folders, memory and disk that units hold, clients of
Prefect's server, plans in use."""
_SERVERS = ("orchestration.server.keeper",)
"""The project's Prefect server, which `quantgate up` had stay between commands."""


def sealed(road: Road) -> dict[str, int]:
    """Modification times of everything sealed so far."""
    return {
        str(path.relative_to(road.store)): path.stat().st_mtime_ns
        for path in road.store.rglob(MANIFEST)
        if ".staging-" not in str(path)
    }


def remade(before: dict[str, int], road: Road) -> list[str]:
    """Return what of the sealed was made again, or is gone though it is a unit's result."""
    after = sealed(road)
    return [
        name
        for name, written_at in before.items()
        if after.get(name, None if name.startswith(_RESULTS) else written_at) != written_at
    ]


def completes(road: Road, *more: str) -> None:
    """Run the same command to its end: everything is there once, and nothing is left behind."""
    before = sealed(road)
    finished = road.run(*road.build, *more, "--json")
    assert finished.returncode in COMPLETE, finished.stderr
    assert remade(before, road) == [], finished.stderr
    assert leftovers(road.store) == []
    assert half_written(road.store) == []
    assert sorted(road.identifiers.values()) == road.passing(finished.stdout) != []
    nothing_held(road)
    nothing_left(road)


def half_written(store: Path) -> list[Path]:
    """Return files of a store that never got their names."""
    return list(store.rglob(f"{HALF_WRITTEN}*"))


def nothing_left(road: Road) -> None:
    """See that the temporary folder is empty."""
    left = [
        path.name
        for path in (road.folder / "tmp").iterdir()
        if not path.name.startswith(_CACHE_OF_TORCH)
    ]
    assert left == [], f"left in the temporary folder: {left}"


def nothing_held(road: Road) -> None:
    """See that within a minute no process works in the store any more, and that no lock in it is held."""
    deadline = time.monotonic() + _ENDED_SECONDS
    while (working_in(road) or locks_in(road)) and time.monotonic() < deadline:
        time.sleep(0.3)
    assert working_in(road) == [], f"left running: {working_in(road)}"
    assert locks_in(road) == [], f"locks that nobody holds who lives: {locks_in(road)}"


def locks_in(road: Road) -> list[Path]:
    """Return the locks of a store that are held, without those of its Prefect server."""
    of_the_server = ServerFolder.of(road.store).root
    return [
        path
        for path in _locked_files(road.store)
        if path.parent != of_the_server and path.is_file() and is_locked(path)
    ]


def _locked_files(store: Path) -> Iterable[Path]:
    return (path for pattern in _LOCKED for path in store.rglob(pattern))


def working_in(road: Road) -> list[str]:
    """Return the processes of a store, without its Prefect server and who keeps it."""
    return [
        str(process)
        for process in all_in(road.store)
        if not any(server in process.command for server in _SERVERS)
    ]
