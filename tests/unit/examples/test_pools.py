"""Job templates of work pools are as Prefect's own for docker and kubernetes, with our image and store."""

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from prefect.server.schemas.actions import validate_base_job_template

from tests.support.project import PROJECT

POOLS = {"docker": "prefect-docker", "kubernetes": "prefect-kubernetes"}
OURS = {"cpu_limit", "memory_request", "memory_limit"}
"""Variables of Prefect's Kubernetes template that ours has others for: `memory` is asked for and at most."""


def template(kind: str) -> Any:
    return json.loads((PROJECT / "examples" / "pools" / f"{kind}.json").read_text())


def prefects(kind: str) -> Any:
    """The template with which Prefect makes a pool of this kind, from the list that its server has."""
    views = (
        files("prefect.server.api.collections_data") / "views" / "aggregate-worker-metadata.json"
    )
    return json.loads(views.read_text())[POOLS[kind]][kind]["default_base_job_configuration"]


def paths(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield where something stands in a document."""
    yield path
    items: Any = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, each in items:
        yield from paths(each, (*path, str(key)))


@pytest.mark.parametrize("kind", POOLS)
def test_a_server_takes_it(kind: str) -> None:
    assert validate_base_job_template(template(kind)) == template(kind)


@pytest.mark.parametrize("kind", POOLS)
def test_what_stands_in_it_is_what_prefects_worker_of_this_kind_reads(kind: str) -> None:
    ours, theirs = template(kind)["job_configuration"], prefects(kind)["job_configuration"]
    assert set(ours) <= set(theirs)
    lacking = set(paths(theirs.get("job_manifest"))) - set(paths(ours.get("job_manifest")))
    assert {path[-1] for path in lacking} <= {"cpu"}, "an attribute that the worker requires"


@pytest.mark.parametrize("kind", POOLS)
def test_defaults_are_values_that_the_schemas_allow(kind: str) -> None:
    ours, theirs = template(kind)["variables"], prefects(kind)["variables"]
    for name, schema in ours["properties"].items():
        assert schema["title"] and schema["description"]
        if "default" in schema:
            jsonschema.validate(schema["default"], schema)
        if name in theirs["properties"]:
            kinds = {
                key: value
                for key, value in theirs["properties"][name].items()
                if key in ("type", "enum")
            }
            assert {key: schema[key] for key in kinds} == kinds
            if "default" in schema:
                jsonschema.validate(schema["default"], kinds)
    assert set(theirs["properties"]) - set(ours["properties"]) <= OURS | {
        "registry_credentials", "network_mode", "container_wait_timeout", "privileged", "cluster_config",
        "job_watch_timeout_seconds",
    }  # fmt: skip


@pytest.mark.parametrize("kind", POOLS)
def test_a_run_finds_the_programs_of_the_image(kind: str) -> None:
    properties = template(kind)["variables"]["properties"]
    dockerfile = (PROJECT / "examples" / "service" / "Dockerfile").read_text()
    folder = next(line.split()[1] for line in dockerfile.splitlines() if line.startswith("WORKDIR"))
    assert properties["command"]["default"].startswith(f"{folder}/.venv/bin/")
    assert properties["env"]["default"]["QUANTGATE_STORE"] == "/data/store"
    assert "/data/store" in json.dumps(template(kind))
