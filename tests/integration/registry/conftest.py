"""Real registries that several files of tests ask: a store's own database, and a server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from quantgate.registry import Tracking
from tests.support.registered.registries import tracking_in
from tests.support.servers.mlflow_served import served_mlflow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that a file's tests share."""
    with served_mlflow(tmp_path_factory.mktemp("server")) as uri:
        yield uri


@pytest.fixture(params=["sqlite", "server"])
def tracking(request: pytest.FixtureRequest, tmp_path: Path) -> Tracking:
    """A registry of each kind; a server holds what other tests left."""
    here = tracking_in(tmp_path / "store")
    if request.param == "sqlite":
        return here
    return Tracking.resolve(here.store, uri=request.getfixturevalue("server"))
