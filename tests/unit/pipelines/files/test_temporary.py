"""Temporary and staging folders: gone with their makers, cleared after killed ones, never a live one's."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from quantgate.pipelines.files.locks import exclusive
from quantgate.pipelines.files.records import write_text
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.files.temporary import (
    clear_half_written,
    clear_temporary,
    clear_unfinished,
    temporary_folder,
)
from quantgate.pipelines.sharing.file_objects import FileObjects
from quantgate.pipelines.sharing.opening import require_shareable
from tests.support.children.workers import Done
from tests.support.project import PROJECT

HOLDER = """
import sys, time
from pathlib import Path
from quantgate.pipelines.files.temporary import temporary_folder
with temporary_folder(Path(sys.argv[1])) as folder:
    (folder / "large").write_text("x" * 1000)
    print(folder, flush=True)
    time.sleep(60)
"""

WRITER = """
import sys, time
from pathlib import Path
from quantgate.pipelines.files.temporary import half_written
with half_written(Path(sys.argv[1])) as (path, file):
    file.write(b"half")
    file.flush()
    print(path, flush=True)
    time.sleep(60)
"""


def killed_while_it_writes(folder: Path, clear: Callable[[], int]) -> Path:
    """Start a writer, see that nothing of it is cleared while it lives, and kill it; what it left."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    left = Path(writer.stdout.readline().strip())
    assert clear() == 0 and left.exists(), "its writer lives"
    writer.kill()
    writer.communicate()
    assert left.read_text() == "half"
    return left


def test_a_file_that_a_killed_writer_left_goes_and_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "plans" / "p" / "elsewhere"
    folder.mkdir(parents=True)
    write_text(folder / "host.json", "whole")
    left = killed_while_it_writes(folder, lambda: clear_unfinished(tmp_path))
    assert clear_unfinished(tmp_path) == 1
    assert not left.exists()
    assert [path.name for path in folder.iterdir()] == ["host.json"]


def test_one_of_another_host_goes_when_nobody_wrote_to_it_for_a_while(tmp_path: Path) -> None:
    place = FileObjects(tmp_path / "shelf")
    place.prepare()
    place.write("entries/a", b"whole")
    writing = tmp_path / "shelf" / ".writing"
    left = killed_while_it_writes(writing, lambda: clear_half_written(writing, 60))
    require_shareable(place)
    assert left.exists(), "its lock says nothing of another host"
    long_ago = left.stat().st_mtime - 61
    os.utime(left, (long_ago, long_ago))
    require_shareable(place)
    assert list(writing.iterdir()) == []
    assert place.read("entries/a") == b"whole"


def test_a_file_that_a_killed_writer_left_goes_on_nfs_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock

    def lock_as_nfs_does(file: IO[bytes], operation: int) -> None:
        if operation & fcntl.LOCK_EX and not file.writable():
            raise OSError(errno.EBADF, "an exclusive lock wants a file that is open for writing")
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", lock_as_nfs_does)
    left = killed_while_it_writes(tmp_path, lambda: clear_half_written(tmp_path))
    assert clear_half_written(tmp_path) == 1
    assert not left.exists()


def test_a_folder_is_empty_and_goes_with_its_block(tmp_path: Path) -> None:
    with temporary_folder(tmp_path) as folder:
        assert list(folder.iterdir()) == []
        (folder / "file").write_text("x")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ZeroDivisionError), temporary_folder(tmp_path):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_live_ones_folder_stays_and_a_killed_ones_is_cleared(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    folder = Path(holder.stdout.readline().strip())
    assert clear_temporary(tmp_path) == 0
    assert (folder / "large").is_file()
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert clear_temporary(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_an_owner_is_cleared_after_a_day(tmp_path: Path) -> None:
    young, old = (Path(tempfile.mkdtemp(prefix="quantgate-", dir=tmp_path)) for _ in range(2))
    os.utime(old, (time.time() - 25 * 3600,) * 2)  # noqa: TID251 - files bear the time of day
    assert clear_temporary(tmp_path) == 1
    assert young.is_dir()


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "another-tool").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "quantgate-alinked0").symlink_to(tmp_path / "target")
    (tmp_path / "quantgate-somefile").write_text("")
    (tmp_path / "quantgate-suite").mkdir(mode=0o700)
    (tmp_path / "quantgate-examples").mkdir(mode=0o755)
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    assert clear_temporary(tmp_path) == 0
    if os.geteuid() == 0:
        another = Path(tempfile.mkdtemp(prefix="quantgate-", dir=tmp_path))
        os.utime(another, (0, 0))
        os.chown(another, 65534, 65534)
        assert clear_temporary(tmp_path) == 0


@pytest.mark.parametrize("place", ["audits", "corpora/mine", "unfinished/corpus-mine@0"])
def test_staging_of_a_dead_maker_is_cleared_and_of_a_live_one_is_not(
    place: str, tmp_path: Path
) -> None:
    dead, live = (tmp_path / place / f".{name}.staging-0badcafe" for name in ("dead", "live"))
    for folder in (dead, live):
        folder.mkdir(parents=True)
        (folder / "half").write_text("half")
    with exclusive(tmp_path / place / ".live.lock"):
        assert clear_unfinished(tmp_path) == 1
        assert (live / "half").is_file()
        assert not dead.exists()
    assert clear_unfinished(tmp_path) == 1


def test_a_maker_in_this_process_keeps_its_staging(tmp_path: Path) -> None:
    def produce(staging: Path) -> Done:
        assert clear_unfinished(tmp_path) == 0
        assert staging.is_dir()
        return Done(text="made")

    produce_once(tmp_path / "runs" / "one", Done, produce)


def test_a_store_that_is_a_link_is_cleared_and_what_it_links_to_is_not(tmp_path: Path) -> None:
    for folder in (tmp_path / "disk" / "audits", tmp_path / "elsewhere"):
        (folder / ".dead.staging-0badcafe").mkdir(parents=True)
    (tmp_path / "disk" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "store").symlink_to(tmp_path / "disk")
    assert clear_unfinished(tmp_path / "store") == 1
    assert (tmp_path / "elsewhere" / ".dead.staging-0badcafe").is_dir()


def test_a_store_that_is_not_there_has_nothing_to_clear(tmp_path: Path) -> None:
    assert clear_unfinished(tmp_path / "absent") == 0


def test_a_folder_that_cannot_be_emptied_yet_is_found_again_by_the_next_run(tmp_path: Path) -> None:
    """As where a child of a killed program writes into it while it is removed; here, a link that stays."""
    left = Path(tempfile.mkdtemp(prefix="quantgate-", dir=tmp_path))
    (left / ".owner").touch()
    (left / "content").symlink_to(tmp_path)
    assert clear_temporary(tmp_path) == 0
    assert (left / ".owner").exists(), "or nobody would know for a day that it is left"
    (left / "content").unlink()
    assert clear_temporary(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []
