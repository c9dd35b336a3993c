"""What a person fills in on Prefect's pages: every field says what it is, and takes nothing else."""

from pathlib import Path

import pytest
import yaml
from prefect import Flow
from prefect.exceptions import ParameterTypeError
from prefect.utilities.importtools import import_object

from quantgate.flows.orchestration.building import build_from_form
from quantgate.flows.orchestration.following.watching import watch_releases
from tests.support.project import PROJECT

DEPLOYMENTS = yaml.safe_load((PROJECT / "prefect.yaml").read_text())["deployments"]


@pytest.mark.parametrize("flow", [build_from_form, watch_releases])
def test_every_field_of_a_form_is_described(flow: Flow[..., object]) -> None:
    fields = flow.parameters.properties
    assert fields
    assert [name for name, field in fields.items() if not field.get("description")] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"build_file": "relative.yaml"},
        {"build_file": 7},
        {"store": ""},
        {"recipes": ""},
        {"anyway": "perhaps"},
        {"model": ["org/name"]},
    ],
)
def test_values_of_another_kind_are_refused_before_anything_runs(wrong: dict[str, object]) -> None:
    right: dict[str, object] = {"build_file": "/builds/build.yaml", "store": "/store"}
    build_from_form.validate_parameters(right)
    with pytest.raises(ParameterTypeError):
        build_from_form.validate_parameters(right | wrong)


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=[each["name"] for each in DEPLOYMENTS])
def test_deployments_name_flows_and_their_parameters(deployment: dict[str, object]) -> None:
    flow = import_object(str(deployment["entrypoint"]).replace(":", "."))
    assert isinstance(flow, Flow)
    values = deployment["parameters"]
    assert isinstance(values, dict)
    placed = {name: str(value).replace("{{ $PWD }}", "/here") for name, value in values.items()}
    flow.validate_parameters(placed)
    for place in values.values():
        named = PROJECT / Path(str(place).removeprefix("{{ $PWD }}/"))
        assert named.name == ".quantgate" or named.is_file()
