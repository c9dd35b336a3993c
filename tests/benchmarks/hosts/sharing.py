"""What a store that hosts share costs and saves: folders, second runs and whole builds, against one alone."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from quantgate.flows.build.sharing.opening import attach_shared_store
from quantgate.flows.settings import Settings
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.sharing.file_objects import FileObjects
from tests.support.builds.road import Road, make_road, orchestrated
from tests.support.servers.mlflow_served import free_port

FOLDERS = 40
_FILE_BYTES = 1_000_000
BUCKET = "s3://bench/shelf"


def run(store: Store) -> None:
    """Print what each costs, first of folders, then of whole builds of three recipes."""
    with bucket_variables() as variables:
        folders(store.root / "folders", variables)
        builds(store.root / "builds", variables)


def folders(root: Path, variables: dict[str, str]) -> None:
    """Print milliseconds a folder of a megabyte: made, found sealed, fetched."""
    os.environ.update(variables)
    alone = [_timed(root / "alone", "") for _ in range(2)]
    print(
        f"{FOLDERS} folders of 1 MB, milliseconds each: made {alone[0]:.1f}, found {alone[1]:.2f}"
    )
    FileObjects(root / "shelf").prepare()
    for name, address in (("file", f"file://{root}/shelf"), ("s3", BUCKET)):
        made, again = (_timed(root / name, address) for _ in range(2))
        fetched = _timed(root / f"{name}-second", address)
        print(
            f"  with {name}://  made and sent {made:.1f} (ratio {made / alone[0]:.2f}), "
            f"found here {again:.2f} (ratio {again / alone[1]:.2f}), fetched {fetched:.1f}",
            flush=True,
        )


def builds(root: Path, variables: dict[str, str]) -> None:
    """Print seconds of a build alone, of one that sends all it makes, and of one that fetches all of it."""
    root.mkdir()
    road = orchestrated(make_road(root, ("Q8_0", "Q4_K_M", "Q2_K"), items_a_slice=6))
    shared = {**variables, "QUANTGATE_SHARED_STORE": BUCKET}
    alone = _built(replace(road, store=root / "alone"))
    for what, store in (("sends all", "first"), ("fetches all", "second")):
        here = replace(road, store=root / store, variables=tuple(shared.items()))
        seconds, cpu_seconds = _built(here)
        print(
            f"a build that {what}: {seconds:.1f} s, {cpu_seconds:.1f} CPU-s; alone {alone[0]:.1f} s, "
            f"{alone[1]:.1f} CPU-s; ratios {seconds / alone[0]:.2f}, {cpu_seconds / alone[1]:.2f}",
            flush=True,
        )
    for what, variables_here in (("alone", {}), ("shared", shared)):
        here = replace(road, store=root / "second", variables=tuple(variables_here.items()))
        print("again, {}: {:.1f} s, {:.1f} CPU-s".format(what, *_built(here)), flush=True)


def _built(road: Road) -> tuple[float, float]:
    """Return seconds and processor seconds of a build, children included."""
    used, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = road.run(*road.build)
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 10, 11):
        sys.exit(done.stderr)
    return seconds, after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime


def _timed(root: Path, address: str) -> float:
    """Return milliseconds that each folder takes in a store, shared at an address where there is one."""
    names = {"QUANTGATE_STORE": str(root), "QUANTGATE_SHARED_STORE": address}
    settings = Settings.from_environment(names)
    attach_shared_store(settings, print)
    began = time.monotonic()
    for number in range(FOLDERS):
        produce_once(settings.store.root / "runs" / f"a--{number}", str, partial(_make, number))
    took = time.monotonic() - began
    attach_shared_store(replace(settings, shared=None), print)
    return 1000 * took / FOLDERS


def _make(number: int, staging: Path) -> str:
    (staging / "answers").write_bytes(os.urandom(_FILE_BYTES))
    return str(number)


@contextmanager
def bucket_variables() -> Iterator[dict[str, str]]:
    """Run moto's server in a process of its own, with a bucket, and yield what its clients read."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    variables = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    try:
        _until_there(partial(_make_bucket, variables))
        yield variables
    finally:
        server.terminate()
        server.wait(timeout=30)


def _make_bucket(variables: dict[str, str]) -> None:
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        region_name=variables["AWS_DEFAULT_REGION"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket=BUCKET.removeprefix("s3://").partition("/")[0])


def _until_there(ask: Callable[[], None]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            return ask()
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)
