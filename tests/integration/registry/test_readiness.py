"""Is a registry ready, asked of real ones: nothing is written to find out, each obstacle has its sentence."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.registry import Tracking, record
from quantgate.registry.opening import check_readiness, open_mlflow
from tests.support.registered.registries import Sample, evidence_of, tracking_in
from tests.support.servers.mlflow_served import (
    ADMIN,
    PASSWORD,
    guarded_mlflow,
    postgresql,
)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

READER, READERS_PASSWORD = "grace", "reads-only-1234"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that asks for user and password, on which a second user may read what the first one made."""
    folder = tmp_path_factory.mktemp("guarded")
    with guarded_mlflow(folder) as uri:
        body = json.dumps({"username": READER, "password": READERS_PASSWORD}).encode()
        login = base64.b64encode(f"{ADMIN}:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
        urlopen(Request(f"{uri}/api/2.0/mlflow/users/create", body, headers), timeout=30).close()
        yield uri


def as_user(uri: str, user: str, password: str, tmp_path: Path) -> Tracking:
    store = tracking_in(tmp_path / "store").store
    return Tracking.resolve(store, uri=uri.replace("http://", f"http://{user}:{password}@"))


def test_a_login_that_may_write_is_ready_and_one_that_may_not_is_told_what_it_lacks(
    guarded: str, tmp_path: Path
) -> None:
    owner = as_user(guarded, ADMIN, PASSWORD, tmp_path)
    check_readiness(owner, "desk")
    check_readiness(owner, None)
    assert open_mlflow(owner).model_names() == ()
    record(evidence_of(replace(Sample(), model="desk"), owner.store), owner)
    check_readiness(owner, "desk")

    reader = as_user(guarded, READER, READERS_PASSWORD, tmp_path)
    with pytest.raises(ServiceError, match="does not let this login write to experiment 'desk'"):
        check_readiness(reader, "desk")
    check_readiness(reader, "a-new-model")

    with pytest.raises(ServiceError, match=r"refused the login \(401\)"):
        check_readiness(as_user(guarded, ADMIN, "wrong", tmp_path), "desk")


def test_an_empty_database_of_postgresql_is_ready_and_a_full_one_too(tmp_path: Path) -> None:
    with postgresql() as uri:
        tracking = Tracking.resolve(tracking_in(tmp_path / "store").store, uri=uri)
        check_readiness(tracking, "desk")
        record(evidence_of(replace(Sample(), model="desk"), tracking.store), tracking)
        check_readiness(tracking, "desk")


def test_the_default_database_is_ready_before_and_after_it_is_made(tmp_path: Path) -> None:
    tracking = tracking_in(tmp_path / "store")
    check_readiness(tracking, "support-llama")
    record(evidence_of(Sample(), tracking.store), tracking)
    check_readiness(tracking, "support-llama")
