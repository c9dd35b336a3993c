"""Ended while it judges, registers or reports, a build leaves nothing half-registered and completes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.project import PROJECT
from tests.support.servers.mlflow_served import served_mlflow

pytestmark = pytest.mark.integration

ENDINGS = {"SIGKILL": -9, "SIGINT": 130, "SIGTERM": 143, "gone": 70}
"""How each end is told by the exit code; `gone`: the registry fails from that write on."""
STEP = len(ENDINGS)
"""Each end meets every fourth write, each another one: together they meet all."""
LEAST_WRITES = {"sqlite": 48, "server": 40}
OF_ONE_END = (
    *("evidence_key", "identifier", "location", "artifact", "source", "manifest_digest"),
    *("scope_since", "judged_in_run", "facts_digest", "tokens_per_second", "mlflow.note.content"),
)
"""Tags that hold the model's name, which is each end's own, its folder, its run, or how long it took."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("server")
    with served_mlflow(folder) as uri:
        yield uri, folder / "served.db"


def ended(folder: Path, ending: str, first: int, step: int, served: Any = None) -> list[Any]:
    """Let a build be ended at its write `first` and every `step`-th after it; what was left each time."""
    uri, database = served or ("", folder / "store" / "mlflow.db")
    finished = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "-m", "tests.support.builds.registering"),
            *(str(folder), uri, str(database), ending, str(first), str(step)),
        ],
        cwd=PROJECT,
        env=os.environ | {"QUANTGATE_STORE": str(folder / "store")},
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    return [json.loads(line) for line in finished.stdout.splitlines()]


def comparable(held: Any) -> Any:
    """What a registry holds, without what differs from model to model."""

    def plain(tags: dict[str, str]) -> dict[str, str]:
        return {key: value for key, value in tags.items() if key not in OF_ONE_END}

    return (
        [run | {"tags": plain(run["tags"])} for run in held["runs"]],
        {number: plain(tags) for number, tags in held["versions"].items()},
        held["aliases"],
    )


def assert_nothing_is_half_registered(half: Any, whole: Any) -> None:
    """What is there has all its tags; a version's run is finished; an alias points at a passing version."""
    names = {run["tags"]["identifier"]: run for run in whole["runs"]}
    for run in half["runs"]:
        expected = names[run["tags"]["identifier"]]
        assert run["tags"] == expected["tags"]
        if run["status"] == "FINISHED":
            assert run == expected
    finished = [run["tags"]["identifier"] for run in half["runs"] if run["status"] == "FINISHED"]
    for number, tags in half["versions"].items():
        assert tags == whole["versions"][number]
        assert tags["identifier"] in finished
    for number in half["aliases"].values():
        assert half["versions"][number]["verdict"] == "pass"


def check(folder: Path, ending: str, first: int, step: int, served: Any = None) -> int:
    """Check every end of this kind and return at how many writes the build was ended."""
    ((undisturbed),) = ended(folder / "undisturbed", "none", 0, 1, served)
    assert undisturbed["verdicts"] == ["pass", "fail"]
    assert undisturbed["half"] == undisturbed["whole"]
    left = ended(folder / "ended", ending, first, step, served)
    for end in left:
        assert end["code"] == ENDINGS[ending], end
        assert end["staging"] == []
        assert end["verdicts"] == undisturbed["verdicts"]
        assert_nothing_is_half_registered(end["half"], end["whole"])
        assert comparable(end["whole"]) == comparable(undisturbed["whole"])
    return len(left)


def test_killed_at_some_writes_nothing_is_half_registered_and_it_completes_alike(
    tmp_path: Path,
) -> None:
    assert check(tmp_path, "SIGKILL", 18, 23) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "server"])
@pytest.mark.parametrize(("offset", "ending"), tuple(enumerate(ENDINGS)))
def test_ended_at_any_write_nothing_is_half_registered_and_it_completes_alike(
    offset: int, ending: str, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    served = request.getfixturevalue("server") if kind == "server" else None
    writes = check(tmp_path, ending, offset, STEP, served)
    assert writes * STEP >= LEAST_WRITES[kind], writes
