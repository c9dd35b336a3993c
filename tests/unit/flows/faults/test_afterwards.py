"""What is looked at after a strike is seen where it is there: none of it can pass by looking elsewhere."""

import fcntl
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.builds.processes import all_in, workers_in
from tests.support.builds.road import Road, leftovers
from tests.support.faults.afterwards import (
    half_written,
    locks_in,
    nothing_left,
    remade,
    sealed,
    working_in,
)

LAUNCHED = "quantgate.pipelines.process.launch quantgate.pipelines.some.answer"
FORK_SERVER = "quantgate.pipelines.process.forking.server"
FORKS = "import os, time; os.write(1, b'%d\\n' % os.fork()); time.sleep(60)"


@pytest.fixture
def road(tmp_path: Path) -> Road:
    (tmp_path / "store").mkdir()
    (tmp_path / "tmp").mkdir()
    return Road(folder=tmp_path, store=tmp_path / "store")


@contextmanager
def started(road: Road, *words: str) -> Iterator[list[int]]:
    """Yield a process of a store and one that it forked."""
    process = subprocess.Popen(
        [sys.executable, "-c", FORKS, *words],
        env=os.environ | {"QUANTGATE_STORE": str(road.store)},
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    with process:
        try:
            assert process.stdout is not None
            child = max(int(process.stdout.readline()), int(process.stdout.readline()))
            handle = os.pidfd_open(child)
            yield [process.pid, child]
        finally:
            os.killpg(process.pid, signal.SIGKILL)
        # Nobody here waits for the forked one, which may take a moment to end.
        assert select.select([handle], [], [], 10)[0]
        os.close(handle)


@pytest.mark.parametrize(("words", "workers"), [((FORK_SERVER,), 1), ((LAUNCHED,), 2), ((), 0)])
def test_a_process_is_seen_whose_command_line_does_not_name_the_store(
    road: Road, words: tuple[str, ...], workers: int
) -> None:
    assert all_in(road.store) == []
    with started(road, *words) as both:
        assert [each.pid for each in all_in(road.store)] == both
        assert len(working_in(road)) == 2
        assert [each.pid for each in workers_in(road.store)] == both[2 - workers :]
    assert working_in(road) == []


def test_the_project_s_server_may_stay(road: Road) -> None:
    with started(road, "orchestration.server.keeper"):
        assert len(all_in(road.store)) == 2
        assert working_in(road) == []


@pytest.mark.parametrize(
    "name", ["variants/.q.lock", "machines/host/1-ab.held", "in-use/1-ab", "prefect/leases/1.lease"]
)
def test_a_lock_that_is_held_is_seen(road: Road, name: str) -> None:
    path = road.store / name
    path.parent.mkdir(parents=True)
    with path.open("w") as handle:
        assert locks_in(road) == []
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert locks_in(road) == [path]
    assert locks_in(road) == []


def test_what_was_half_written_is_seen(road: Road) -> None:
    (road.store / "a").mkdir()
    half = road.store / "a" / f".writing-{'0' * 32}"
    for path in (half, road.store / "a" / ".manifest.lock", road.store / "a" / "manifest.json"):
        path.touch()
    assert half_written(road.store) == [half]
    (road.store / "runs" / ".x.staging-0badcafe").mkdir(parents=True)
    assert len(leftovers(road.store)) == 1


def test_what_is_left_in_the_temporary_folder_is_seen(road: Road) -> None:
    (road.folder / "tmp" / "torchinductor_root").mkdir()
    nothing_left(road)
    (road.folder / "tmp" / "quantgate-abc").mkdir()
    with pytest.raises(AssertionError, match="quantgate-abc"):
        nothing_left(road)


def test_a_unit_that_is_made_again_is_seen(road: Road) -> None:
    manifest = road.store / "variants" / "q" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")
    before = sealed(road)
    assert list(before) == ["variants/q/manifest.json"]
    os.utime(manifest, ns=(0, manifest.stat().st_mtime_ns + 1))
    assert remade(before, road) == ["variants/q/manifest.json"]
