"""What registers is killed or cut off at one of its messages after another: the same command registers once.

One store holds a build whose units are all sealed; each point registers it under another name.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.builds.road import Road, orchestrated
from tests.support.faults.afterwards import COMPLETE, nothing_held, nothing_left, remade, sealed
from tests.support.faults.strikes import small_road
from tests.support.faults.table import note
from tests.support.servers.forking_mlflow import killable_mlflow
from tests.support.servers.gate import Gate
from tests.support.servers.mlflow_served import free_port, postgres_cluster
from tests.support.servers.s3 import object_store

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

POINTS = (0, 1, 5, 25)
"""With which message the fault comes: before the first, while the plan looks, while it registers."""
FEW_POINTS = (0, 1, 2, 3)
"""Of what gets a handful of messages a build: a file that is sent once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Something that registering needs, behind a gate; `kill` kills it and has it there again."""

    fault: str
    gate: Gate
    kill: Callable[[], None]
    points: tuple[int, ...] = POINTS
    variables: Mapping[str, str]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Road:
    """A build of which everything is sealed, registered in the store's own database."""
    road = orchestrated(small_road(tmp_path_factory.mktemp("built")))
    ended = road.run(*road.build)
    assert ended.returncode == 0, ended.stderr
    return road


@contextmanager
def mlflow_server(folder: Path) -> Iterator[Service]:
    """An MLflow server over SQLite."""
    port = free_port()
    with (
        killable_mlflow(folder, port, f"sqlite:///{folder}/served.db") as server,
        Gate(port).serving() as gate,
    ):
        variables = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{gate.port}"}
        yield Service(
            fault="SIGKILL MLflow's server", gate=gate, kill=server.kill, variables=variables
        )


@contextmanager
def database(_folder: Path) -> Iterator[Service]:
    """PostgreSQL, which commands speak to themselves."""
    with postgres_cluster() as cluster, Gate(cluster.port).serving() as gate:
        uri = cluster.uri.replace(str(cluster.port), str(gate.port))
        variables = {"MLFLOW_TRACKING_URI": uri}
        yield Service(fault="SIGKILL PostgreSQL", gate=gate, kill=cluster.kill, variables=variables)


@contextmanager
def weights(_folder: Path) -> Iterator[Service]:
    """An object store that weights are sent to. It keeps them in memory, so it is cut off and not killed."""
    with ExitStack() as stack:
        store = stack.enter_context(object_store())
        address = store.variables["AWS_ENDPOINT_URL"]
        gate = stack.enter_context(Gate(int(address.rpartition(":")[2])).serving())
        variables = {
            **store.variables,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{gate.port}",
            "QUANTGATE_WEIGHTS": store.folder,
        }
        yield Service(
            fault="object store cut off",
            gate=gate,
            kill=lambda: None,
            points=FEW_POINTS,
            variables=variables,
        )


@pytest.mark.parametrize("kind", [mlflow_server, database, weights])
def test_each_is_struck_at_one_message_after_another(
    kind: Callable[[Path], AbstractContextManager[Service]], built: Road, tmp_path: Path
) -> None:
    with kind(tmp_path) as service:
        road = replace(built, variables=(*built.variables, *service.variables.items()))
        strikes = 0
        for message in service.points:
            name = f"{kind.__name__.replace('_', '-')}-{message}"
            broke, code = strike(road, service, message, name)
            strikes += broke
            before = sealed(road)
            again = road.run(*road.build, "--name", name, "--json")
            assert again.returncode in COMPLETE, again.stderr
            assert remade(before, road) == []
            versions = [row["registered_version"] for row in json.loads(again.stdout)["variants"]]
            assert versions == ["1"], f"after {code}: {versions}"
            nothing_held(road)
        assert strikes >= 3, strikes
        nothing_left(road)


def strike(road: Road, service: Service, message: int, name: str) -> tuple[bool, int]:
    """Run the build and kill the service with a message; whether it came to that, and the exit code.

    The service is there again afterwards.
    """
    service.gate.break_at(message, service.kill)
    ended = road.run(*road.build, "--name", name)
    assert "Traceback" not in ended.stderr, ended.stderr
    broke = service.gate.is_broken
    if broke:
        assert ended.returncode not in (0, 1), ended.stderr
        note(service.fault, f"message {message}", ended.returncode)
    service.gate.mend()
    return broke, ended.returncode
