"""Two hosts with stores and networks of their own build the same at once: by a bucket it is made once."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.files.tool_cache import tool_cache
from tests.support.builds.road import Road, make_road
from tests.support.servers.networks import HostNetwork, host_network
from tests.support.servers.s3 import ObjectStore, object_store

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,  # two builds at once, each with a Prefect server
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def bucket() -> Iterator[ObjectStore]:
    with object_store("0.0.0.0") as shelf:
        yield shelf


@pytest.fixture(scope="module")
def networks() -> Iterator[tuple[HostNetwork, ...]]:
    with ExitStack() as stack:
        networks = [stack.enter_context(host_network(number)) for number in (1, 2)]
        if any(network is None for network in networks):
            pytest.skip("this machine lets us make no network namespaces")
        yield tuple(network for network in networks if network is not None)


def host(road: Road, name: str, bucket: ObjectStore, network: HostNetwork) -> Road:
    """A host with the same build file, and nothing else in common but the bucket and the tools."""
    home = road.folder / name
    home.mkdir()
    port = bucket.variables["AWS_ENDPOINT_URL"].rpartition(":")[2]
    variables = {
        **bucket.variables,
        "AWS_ENDPOINT_URL": f"http://{network.this_machine}:{port}",
        "HOME": str(home),
        "QUANTGATE_CACHE": str(tool_cache()),
        "QUANTGATE_SHARED_STORE": bucket.folder,
        "QUANTGATE_SHARED_LEASE": "20",
        "QUANTGATE_WORKERS": "1",
    }
    return replace(road, store=home / "store", variables=tuple(variables.items()))


def start(road: Road, network: HostNetwork) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*network.command, *road.command(*road.build, "--json")],
        env=road.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def made(road: Road) -> set[str]:
    """The variants, runs and audits that child processes of a host made: each leaves a log."""
    logs = {path.stem for path in (road.store / "logs").glob("*.log")}
    runs = {path.name for path in (road.store / "runs").iterdir()}
    return (logs & runs) | {name for name in logs if name.startswith(("build-", "audit-"))}


def sealed(road: Road, kind: str) -> set[str]:
    return {path.name for path in (road.store / kind).iterdir() if not path.name.startswith(".")}


def verdicts(result: str) -> dict[str, str]:
    return {row["identifier"]: row["decision"] for row in json.loads(result)["variants"]}


def test_every_unit_is_made_once_and_both_hosts_come_to_the_same_verdicts(
    tmp_path: Path, bucket: ObjectStore, networks: tuple[HostNetwork, ...]
) -> None:
    road = make_road(tmp_path, ("Q8_0", "Q4_K_M"), items_a_slice=6)
    hosts = [host(road, f"host{n}", bucket, network) for n, network in enumerate(networks)]
    running = [start(each, network) for each, network in zip(hosts, networks, strict=True)]
    said = [each.communicate(timeout=900) for each in running]
    assert [each.returncode for each in running] == [0, 0], said
    first, second = (verdicts(out) for out, _ in said)
    assert first == second and len(first) == 2
    here, there = (made(each) for each in hosts)
    print(here, there, *(err for _, err in said), sep="\n")
    assert here & there == set()
    assert {f"build-{name}" for name in sealed(hosts[0], "variants")} <= here | there
    assert sealed(hosts[0], "runs") <= here | there
    for kind in ("variants", "runs", "audits"):
        assert sealed(hosts[0], kind) == sealed(hosts[1], kind)
    third = host(road, "host2", bucket, networks[0])  # comes late, and finds everything
    late = start(third, networks[0])
    out, err = late.communicate(timeout=900)
    assert late.returncode == 0, err
    assert verdicts(out) == first
    assert made(third) == set(), err
