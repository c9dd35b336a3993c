"""Disks that are full at several places and sizes, and a command that may write no large file."""

import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.builds.road import Road, orchestrated
from tests.support.faults.afterwards import COMPLETE, completes, nothing_held, remade, sealed
from tests.support.faults.strikes import small_road
from tests.support.faults.table import note
from tests.support.project import PROJECT

pytestmark = [pytest.mark.integration, pytest.mark.slow]

REFUSED = (4, 5, 6, 13)


@pytest.fixture
def road(tmp_path: Path) -> Road:
    """A small build."""
    return orchestrated(small_road(tmp_path))


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    """Mount a file system of this size on a folder, which begins empty, for the time of a block."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def struck(
    road: Road, fault: str, size: str, before_start: Callable[[], None] | None = None
) -> int:
    """Run the build, which finds no room, and see that it says so and spoils nothing."""
    before = sealed(road)
    ended = subprocess.run(
        road.command(*road.build),
        cwd=PROJECT,
        env=road.environment,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
        preexec_fn=before_start,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    assert ended.returncode in (*REFUSED, *COMPLETE), ended.stderr
    assert remade(before, road) == []
    nothing_held(road)
    note(fault, size, ended.returncode)
    return ended.returncode


def test_disks_are_full_at_several_places_and_sizes(road: Road) -> None:
    for kilobytes in (64, 1024, 10_000):
        with small_disk(road.store, kilobytes):
            assert struck(road, "store's disk is full", f"{kilobytes} kB") in REFUSED
    for kilobytes in (4, 512):
        with small_disk(road.folder / "tmp", kilobytes):
            struck(road, "temporary folder's disk is full", f"{kilobytes} kB")
    with small_disk(road.store / "mlflow-artifacts", 4):
        struck(road, "artifact root's disk is full", "4 kB")
    completes(road)


def test_files_of_a_command_may_only_be_so_large(road: Road) -> None:
    for kilobytes in (64, 4096):
        struck(road, "files limited in size", f"{kilobytes} kB", limit_to(kilobytes))
    completes(road)


def limit_to(kilobytes: int) -> Callable[[], None]:
    """Return what limits the size of files of a process: writing beyond it fails as on a full disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, resource.RLIM_INFINITY))

    return limit
