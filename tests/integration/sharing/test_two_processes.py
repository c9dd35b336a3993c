"""Hosts as processes with stores of their own, and a real server that speaks S3: kills, and lost servers."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantgate.pipelines.sharing.file_objects import FileObjects
from tests.support.project import PROJECT
from tests.support.servers.s3 import ObjectStore, object_store

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

FOLDERS = [f"runs/a--{number}" for number in range(6)]


@pytest.fixture(scope="module")
def bucket() -> Iterator[ObjectStore]:
    with object_store() as shelf:
        yield shelf


def start(
    store: Path,
    bucket: ObjectStore,
    seconds: float,
    *folders: str,
    prefix: str = "",
    lease_seconds: int = 4,
) -> "subprocess.Popen[str]":
    variables = {
        **bucket.variables,
        "QUANTGATE_STORE": str(store),
        "QUANTGATE_SHARED_STORE": bucket.folder + prefix,
        "QUANTGATE_SHARED_LEASE": str(lease_seconds),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.children.sharing_host", str(seconds), *folders],
        cwd=PROJECT,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        text=True,
    )


def lines(host: "subprocess.Popen[str]") -> list[str]:
    said, _ = host.communicate(timeout=120)
    assert host.returncode == 0
    return said.splitlines()


def test_three_hosts_at_once_make_each_folder_once(tmp_path: Path, bucket: ObjectStore) -> None:
    hosts = [
        start(tmp_path / f"host{n}", bucket, 0.2, *FOLDERS[n:], *FOLDERS[:n]) for n in range(3)
    ]
    said = [lines(host) for host in hosts]
    made = [line for each in said for line in each if line.startswith("makes ")]
    assert sorted(made) == [f"makes {folder}" for folder in FOLDERS], said
    stores = [
        {f: (tmp_path / f"host{n}" / f / "manifest.json").read_bytes() for f in FOLDERS}
        for n in range(3)
    ]
    assert stores[0] == stores[1] == stores[2]


def test_what_a_killed_host_was_making_another_makes_when_its_lease_has_expired(
    tmp_path: Path, bucket: ObjectStore
) -> None:
    killed = start(tmp_path / "killed", bucket, 600, "runs/b--1", prefix="/killed")
    assert killed.stdout is not None and killed.stdout.readline() == "makes runs/b--1\n"
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=30)
    began = time.monotonic()
    said = lines(start(tmp_path / "second", bucket, 0, "runs/b--1", prefix="/killed"))
    assert (
        said[0]
        == f"waiting for {os.uname().nodename} (process {killed.pid}), which makes runs/b--1"
    )
    assert said[1:] == ["makes runs/b--1", "done"]
    assert time.monotonic() - began > 2


def test_a_host_that_is_told_to_end_gives_its_lease_up_at_once(
    tmp_path: Path, bucket: ObjectStore
) -> None:
    ended = start(tmp_path / "ended", bucket, 600, "runs/e--1", prefix="/ended", lease_seconds=600)
    assert ended.stdout is not None and ended.stdout.readline() == "makes runs/e--1\n"
    ended.send_signal(signal.SIGTERM)
    ended.communicate(timeout=30)
    assert ended.returncode != 0
    said = lines(start(tmp_path / "second", bucket, 0, "runs/e--1", prefix="/ended"))
    assert said == ["makes runs/e--1", "done"]
    assert not list((tmp_path / "ended" / "runs").glob(".*staging*"))


def test_a_host_that_lives_keeps_its_lease_beyond_its_time(
    tmp_path: Path, bucket: ObjectStore
) -> None:
    slow = start(tmp_path / "slow", bucket, 6.5, "runs/c--1", prefix="/slow")
    assert slow.stdout is not None and slow.stdout.readline() == "makes runs/c--1\n"
    second = lines(start(tmp_path / "second", bucket, 0, "runs/c--1", prefix="/slow"))
    assert [line for line in second if line.startswith("makes")] == []
    assert lines(slow) == ["done"]


def test_a_server_that_is_gone_lets_every_host_finish_alone(tmp_path: Path) -> None:
    with object_store() as shelf:
        host = start(tmp_path / "host", shelf, 1, *FOLDERS[:3], prefix="/gone")
        assert host.stdout is not None and host.stdout.readline() == f"makes {FOLDERS[0]}\n"
    said = lines(host)
    assert said[-1] == "done"
    assert len([line for line in said if "goes on alone" in line]) == 1
    assert len(list((tmp_path / "host" / "sending").iterdir())) == 3


def test_a_full_disk_ends_a_fetch_and_leaves_nothing(tmp_path: Path) -> None:
    FileObjects(tmp_path / "shelf").prepare()
    variables = {"QUANTGATE_SHARED_STORE": f"file://{tmp_path}/shelf"}
    first = {**os.environ, **variables, "QUANTGATE_STORE": str(tmp_path / "first")}
    made = [sys.executable, "-m", "tests.support.children.sharing_host", "0", "runs/f--1"]
    subprocess.run(made, cwd=PROJECT, env=first, check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, "-m", "quantgate", "store", "pull", "*"],
        env=first | {"QUANTGATE_STORE": str(tmp_path / "second")},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert "the disk is full" in done.stderr and "Traceback" not in done.stderr
    left = [path for path in (tmp_path / "second").rglob("*") if path.is_file()]
    assert [path.suffix for path in left] == [".lock"]
