"""A bucket as a shared store, through s3fs, against a real server that speaks S3 (moto's)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from moto.s3.models import s3_backends

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.files.second_level import attach
from quantgate.pipelines.sharing.kinds import SharedKinds
from quantgate.pipelines.sharing.leases import HeldLease, LeasedElsewhere, Leases
from quantgate.pipelines.sharing.objects import SharedObjects
from quantgate.pipelines.sharing.opening import open_objects, require_shareable
from quantgate.pipelines.sharing.shared_store import SharedStore, waiting_folders
from tests.support.servers.mlflow_served import free_port
from tests.support.servers.s3 import BUCKET, ObjectStore, object_store

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectStore]:
    with object_store() as shelf:
        yield shelf


@pytest.fixture
def place(server: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> SharedObjects:
    return place_on(server, monkeypatch)


def place_on(server: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> SharedObjects:
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    return open_objects(server.folder)


def test_objects_are_created_once_listed_read_and_removed(place: SharedObjects) -> None:
    require_shareable(place)
    assert place.create("a/b", b"1")
    assert not place.create("a/b", b"2")
    assert place.read("a/b") == b"1"
    place.write("a/b", b"33")
    place.write("a-c", b"4")
    assert {name: each.size_bytes for name, each in place.listed("a/").items()} == {"a/b": 2}
    place.remove("a/b")
    place.remove("a/b")
    assert place.read("a/b") is None
    assert place.listed("a/") == {}
    bucket = s3_backends["123456789012"]["aws"]  # of moto, in this process
    for number in range(1003):  # a page of a listing holds a thousand
        bucket.put_object(BUCKET, f"shelf/many/{number}", b"")
    assert len(place.listed("many/")) == 1003
    place.write("large/part", bytes(33 << 20))
    assert place.listed("large/")["large/part"].size_bytes == 33 << 20
    place.remove("large/part")


def test_leases_hold_expire_and_leave_nothing(place: SharedObjects) -> None:
    hosts = [Leases(place, owner=f"host {n}", seconds=4) for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        taken = [*pool.map(lambda host: host.take("runs/s3--1"), hosts)]
    (mine,) = (each for each in taken if isinstance(each, HeldLease))
    assert all(
        each == LeasedElsewhere(owner=mine.lease.owner) for each in taken if each is not mine
    )
    assert abs(hosts[0].now() - place.listed("leases/")[mine.name].modified_at) < 5
    mine.give_up(made=True)
    for host in hosts:
        host.close()
    assert place.listed("leases/") == {} == place.listed("clocks/")


@pytest.mark.usefixtures("place")
def test_what_will_never_work_is_told_at_once() -> None:
    with pytest.raises(ServiceError, match="cannot be used") as caught:
        require_shareable(open_objects("s3://no-such-bucket/a"))
    assert not caught.value.transient
    assert "bucket" in str(caught.value.next_step)


@pytest.mark.parametrize(
    "variable",
    [("AWS_ENDPOINT_URL", "nonsense"), ("AWS_PROFILE", "nobody")],
    ids=lambda v: str(v[0]),
)
@pytest.mark.usefixtures("place")
def test_variables_that_cannot_be_right_are_no_transient_trouble(
    monkeypatch: pytest.MonkeyPatch, variable: tuple[str, str]
) -> None:
    monkeypatch.setenv(*variable)
    with pytest.raises(ServiceError) as caught:
        require_shareable(open_objects("s3://weights/shelf"))
    assert not caught.value.transient


@contextmanager
def asking_for_logins(server: ObjectStore) -> Iterator[None]:
    """Have moto refuse requests whose login it does not know; it takes any otherwise."""

    def requests_without_one(count: bytes) -> None:
        route = f"{server.variables['AWS_ENDPOINT_URL']}/moto-api/reset-auth"
        urlopen(Request(route, count, {"Content-Type": "text/plain"}, method="POST")).close()

    requests_without_one(b"0")
    try:
        yield
    finally:
        requests_without_one(b"inf")


def test_a_wrong_login_is_told_as_one(server: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    place_on(server, monkeypatch)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-wrong-one")
    with asking_for_logins(server), pytest.raises(ServiceError, match="refuses us") as caught:
        require_shareable(open_objects(server.folder))
    assert not caught.value.transient
    assert "login" in str(caught.value.next_step) and "a-wrong-one" not in str(caught.value)


def test_a_server_that_is_not_there_is_transient_and_what_is_made_waits(
    server: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place_on(server, monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    gone, said = open_objects("s3://weights/shelf"), list[str]()
    with pytest.raises(ServiceError) as caught:
        require_shareable(gone)
    assert caught.value.transient
    kinds = SharedKinds(largest_bytes=1 << 20)
    attach(tmp_path, SharedStore(tmp_path, gone, kinds, lease_seconds=4, say=said.append))
    produce_once(tmp_path / "runs" / "b--1", str, lambda _staging: "made")
    attach(tmp_path, None)
    assert len(said) == 1 and "goes on alone" in said[0]
    assert [each.folder for each in waiting_folders(tmp_path)] == ["runs/b--1"]
    place = place_on(server, monkeypatch)
    here = SharedStore(tmp_path, place, kinds, lease_seconds=4, say=said.append)
    assert here.send_missing("runs/b--1") == 0
    assert "entries/runs/b--1/manifest.json" in place.listed("entries/")
