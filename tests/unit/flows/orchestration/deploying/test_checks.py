"""A deployment that cannot run is one line before a server gets it."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from quantgate.flows.orchestration.deploying.checks import problems
from quantgate.flows.orchestration.deploying.files import load_deployments
from tests.support.builds.road import make_road
from tests.support.project import PROJECT

BUILD = "quantgate.flows.orchestration.building:build_from_form"
LOOK = "quantgate.flows.orchestration.following.watching:watch_releases"


def told(folder: Path, *deployments: dict[str, Any]) -> list[str]:
    file = folder / "prefect.yaml"
    file.write_text(yaml.safe_dump({"name": "mine", "deployments": list(deployments)}))
    return list(problems(load_deployments(file), {"PWD": str(folder)}))


def build(folder: Path, **changed: object) -> dict[str, Any]:
    parameters = {"build_file": str(folder / "build.yaml"), "store": str(folder / "store")}
    return {"name": "build", "entrypoint": BUILD, "parameters": parameters | changed}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_road(tmp_path, ("Q8_0",), items_a_slice=2)
    return tmp_path


def test_the_deployments_that_come_along_can_run() -> None:
    environment = dict(os.environ) | {"PWD": str(PROJECT)}
    assert list(problems(load_deployments(PROJECT / "prefect.yaml"), environment)) == []


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (
            {"build_file": "/gone/build.yaml"},
            "build: build_file: there is no file /gone/build.yaml",
        ),
        ({"build_file": "build.yaml"}, "build: build_file: String should match pattern '^/'"),
        ({"anyway": "perhaps"}, "build: anyway: Input should be a valid boolean"),
        ({"recipe": "Q8_0"}, "build: the flow has no parameter recipe"),
    ],
)
def test_parameters_that_a_run_could_not_take(
    changed: dict[str, object], line: str, folder: Path
) -> None:
    (said,) = told(folder, build(folder, **changed))
    assert said.startswith(line)
    assert "\n" not in said


def test_a_build_file_with_problems_is_said_with_its_place(folder: Path) -> None:
    (folder / "build.yaml").write_text("recipe: [Q8_0]\n")
    (said,) = told(folder, build(folder))
    assert said.startswith(f"build: build_file: {folder / 'build.yaml'}: ")
    assert "\n" not in said


def test_parameters_that_lack_and_flows_that_are_none(folder: Path) -> None:
    lacking = {"name": "a", "entrypoint": BUILD, "parameters": {"store": "/store"}}
    gone = {"name": "b", "entrypoint": "quantgate.flows.gone:flow"}
    no_flow = {"name": "c", "entrypoint": "quantgate.flows.settings:Settings"}
    assert told(folder, lacking, gone, no_flow) == [
        "a: parameters lack build_file",
        "b: quantgate.flows.gone:flow is no flow",
        "c: quantgate.flows.settings:Settings is no flow",
    ]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("from os import no_such_name", "ImportError: cannot import name 'no_such_name' from 'os'"),
        ("raise ValueError('depth is odd\\nor even')", "ValueError: depth is odd"),
        (
            "import os; os.no_such_name",
            "AttributeError: module 'os' has no attribute 'no_such_name'",
        ),
        ("def (", "SyntaxError: invalid syntax"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise OSError('gone') from ValueError('no such setting')", "OSError: gone"),
    ],
)
@pytest.mark.parametrize("as_file", [False, True])
def test_what_a_module_raises_when_it_is_imported_is_said(
    body: str, error: str, as_file: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = folder.name  # each has its own: Python keeps modules by name
    file = folder / f"{name}.py"
    file.write_text(f"{body}\n")
    monkeypatch.syspath_prepend(folder)
    entrypoint = f"{file if as_file else name}:flow"
    (said,) = told(folder, {"name": "a", "entrypoint": entrypoint})
    assert said.startswith(f"a: {entrypoint} cannot be loaded: {error}")
    assert "\n" not in said


@pytest.mark.parametrize(
    "entrypoint", ["nothing", "json:flow", "json.tool:flow", "no_such.mine:flow"]
)
def test_an_entrypoint_that_names_nothing_is_no_flow(entrypoint: str, folder: Path) -> None:
    assert told(folder, {"name": "a", "entrypoint": entrypoint}) == [f"a: {entrypoint} is no flow"]


FLOW_FILE = """
from prefect import flow

@flow
def nightly(depth: int) -> None:
    pass

def plain() -> None:
    pass
"""


def test_flows_in_files_are_loaded_as_prefect_loads_them(folder: Path) -> None:
    (folder / "mine.py").write_text(FLOW_FILE)
    (folder / "broken.py").write_text("1 / 0\n")
    (folder / "ending.py").write_text("raise SystemExit(3)\n")
    file = {name: f"{folder / name}.py" for name in ("mine", "gone", "broken", "ending")}
    good = {"name": "a", "entrypoint": f"{file['mine']}:nightly", "parameters": {"depth": 3}}
    wrong = {"name": "b", "entrypoint": f"{file['mine']}:nightly", "parameters": {"depth": "deep"}}
    others = [
        {"name": name, "entrypoint": f"{file[name]}:flow"} for name in ("gone", "broken", "ending")
    ]
    plain = {"name": "p", "entrypoint": f"{file['mine']}:plain"}
    said = told(folder, good, wrong, *others, plain)
    assert said[0].startswith("b: depth: Input should be a valid integer")
    assert said[1:] == [
        f"gone: {file['gone']}:flow is in a file that is not there",
        f"broken: {file['broken']}:flow cannot be loaded: ZeroDivisionError: division by zero",
        f"ending: {file['ending']}:flow cannot be loaded: SystemExit: 3",
        f"p: {file['mine']}:plain is no flow",
    ]


@pytest.mark.parametrize(
    ("cron", "why"),
    [("61 * * * *", "is no cron schedule"), ("0 0 31 2 *", "never comes"), ("daily", "is no cron")],
)
def test_a_schedule_that_is_none(cron: str, why: str, folder: Path) -> None:
    (folder / "releases.yaml").write_text("follow: []\n")
    parameters = {"watch_list": str(folder / "releases.yaml"), "store": "/store"}
    (said,) = told(
        folder,
        {
            "name": "look",
            "entrypoint": LOOK,
            "parameters": parameters,
            "schedules": [{"cron": cron}],
        },
    )
    assert said.startswith(f"look: '{cron}' {why}")


def test_two_of_one_name_for_the_same_flow(folder: Path) -> None:
    (said,) = told(folder, build(folder), build(folder))
    assert said.startswith("build: stands 2 times for the same flow")


def test_variables_of_the_environment_are_taken_as_prefect_takes_them(folder: Path) -> None:
    assert told(folder, build(folder, build_file="{{ $PWD }}/build.yaml")) == []
