"""A build in which real children die: the rest is judged, the store is clean, the next try completes."""

import json
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.support.builds.road import Road, leftovers, make_road, orchestrated

pytestmark = pytest.mark.integration

RECIPES = ("Q8_0", "Q2_K", "Q4_K_M--imatrix")
FAULTS = {"Q2_K": "SIGABRT", "Q4_K_M": "SIGKILL"}
"""The file types whose quantizer kills itself, with half its output written, and by what."""

SITE = f"""\
import json, os, runpy, signal, sys
upstream = runpy.run_module
def run_module(name, *arguments, **named):
    if name == "quantgate.pipelines.engines.llamacpp.workers.building.quantize":
        with open(sys.argv[1]) as file:
            call = json.load(file)
        fault = {FAULTS!r}.get(call["file_type"])
        if fault:
            with open(call["output"], "wb") as half:
                half.write(b"half")
            os.kill(os.getpid(), getattr(signal, fault))
    return upstream(name, *arguments, **named)
runpy.run_module = run_module
"""
"""Python runs a module of this name first in every child that finds it on its path; children that are forked,
and those that are started, run their worker by `runpy`."""


@pytest.fixture(scope="module")
def failed(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Road, "subprocess.CompletedProcess[str]"]:
    """A build of three recipes of which two die, and how the command ended."""
    road = orchestrated(make_road(tmp_path_factory.mktemp("failing"), RECIPES, items_a_slice=4))
    (road.folder / "faults").mkdir()
    (road.folder / "faults" / "sitecustomize.py").write_text(SITE)
    with (
        pytest.MonkeyPatch.context() as environment
    ):  # of the commands that are started, not of our code
        environment.setenv("PYTHONPATH", str(road.folder / "faults"))
        return road, road.run(*road.build, "--json")


def test_one_failing_recipe_never_stops_the_others(
    failed: tuple[Road, "subprocess.CompletedProcess[str]"],
) -> None:
    _, finished = failed
    decisions = {
        row["identifier"].removeprefix("support-llama--"): row["decision"]
        for row in json.loads(finished.stdout)["variants"]
    }
    assert decisions.pop("Q8_0") in ("pass", "inconclusive"), finished.stderr
    assert set(decisions.values()) == {"error"}, decisions
    assert "Traceback" not in finished.stderr


def test_each_death_is_one_clear_error_with_its_log(
    failed: tuple[Road, "subprocess.CompletedProcess[str]"],
) -> None:
    _, finished = failed
    failures = {
        row["identifier"].removeprefix("support-llama--"): row["failure"]
        for row in json.loads(finished.stdout)["variants"]
    }
    assert failures["Q8_0"] is None
    for name, sign in (("Q2_K", "SIGABRT"), ("Q4_K_M--imatrix", "SIGKILL")):
        assert f"was killed by {sign}" in failures[name]
        log = Path(failures[name].partition("log:")[2].strip())
        assert log.is_file(), failures[name]


def test_no_half_written_file_is_left(
    failed: tuple[Road, "subprocess.CompletedProcess[str]"],
) -> None:
    road, _ = failed
    assert leftovers(road.store) == []
    assert len(list((road.store / "variants").glob("*/manifest.json"))) == 1


def test_the_same_command_completes_what_is_missing(
    failed: tuple[Road, "subprocess.CompletedProcess[str]"],
) -> None:
    road, _ = failed
    before = {path: path.stat().st_mtime_ns for path in road.store.glob("runs/*/manifest.json")}
    again = road.run(*road.build, "--json")
    assert again.returncode in (0, 10, 11), again.stderr
    assert all(row["failure"] is None for row in json.loads(again.stdout)["variants"])
    assert (
        before.items()
        <= {
            path: path.stat().st_mtime_ns for path in road.store.glob("runs/*/manifest.json")
        }.items()
    )


def test_a_smaller_cache_is_judged_on_the_same_files_and_registered_as_such(
    failed: tuple[Road, "subprocess.CompletedProcess[str]"],
) -> None:
    road, _ = failed
    wanted = (*road.build, "--recipes", "Q8_0", "--kv", "f16,q4_0")
    finished = road.run(*wanted, "--json")
    assert finished.returncode in (0, 10, 11), finished.stderr
    plain, reduced = json.loads(finished.stdout)["variants"]
    assert reduced["identifier"] == "support-llama--Q8_0--kv_q4_0"
    assert plain["files"]["digest"] == reduced["files"]["digest"]
    assert len(list((road.store / "variants").glob("*Q8_0*/manifest.json"))) == 1, "built once"
    with sqlite3.connect(road.store / "mlflow.db") as database:
        caches = dict(
            database.execute(
                "select name.value, cache.value from tags name join tags cache using (run_uuid) "
                "where name.key = 'identifier' and cache.key = 'runtime_kv_cache'"
            ).fetchall()
        )
    assert caches[reduced["identifier"]] == "q4_0"
    assert caches[plain["identifier"]] == "f16"
    pages = "".join(one.read_text() for one in (road.store / "reports").glob("*/index.html"))
    assert "W8/A8/KV4" in pages and "q4_0 KV cache" in pages


def test_items_that_no_context_holds_are_said_before_anything_is_built(tmp_path: Path) -> None:
    road = orchestrated(make_road(tmp_path, ("Q8_0",), items_a_slice=1))
    suite = road.folder / "suite" / "suite.yaml"
    suite.write_text(suite.read_text().replace("max_tokens: 64", "max_tokens: 500"))
    finished = road.run(*road.build)
    assert finished.returncode == 2, finished.stderr
    assert "items do not fit the model's context of 512 tokens" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (road.store / "variants").exists()


def test_a_build_that_cannot_pass_ends_once_the_base_has_answered(tmp_path: Path) -> None:
    road = orchestrated(make_road(tmp_path, ("Q8_0",), items_a_slice=1))
    finished = road.run(*road.build)
    assert finished.returncode == 11, finished.stderr
    assert "no variant can pass in llamacpp, so none was built" in finished.stdout
    assert "Traceback" not in finished.stderr
    assert not (road.store / "variants").exists()
    (result,) = (road.store / "reports").glob("*/result.json")
    assert json.loads(result.read_text())["decision"] == "inconclusive"
