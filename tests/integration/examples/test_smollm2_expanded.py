"""A known model from a file of four bits: expanded, built, judged, registered, and called so everywhere."""

import json
import shutil
from pathlib import Path

import pytest

from tests.support.builds.road import Road
from tests.support.llamacpp.unpacking import smollm2_q4_1
from tests.support.scripts import SMOLLM2

pytestmark = [pytest.mark.integration, pytest.mark.slow]

REASON = "nothing wider is published"
SAID = f"expanded from Q4_1 ({REASON})"
FACTS = 20
RUNS_ON = "truncated answers"
"""The package's file computes with activations of eight bits: one answer of the twenty may run on."""


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    """Twenty facts of the example's suite, and a policy that they can satisfy."""
    folder = tmp_path_factory.mktemp("expanded")
    suite = folder / "suite"
    shutil.copytree(SMOLLM2 / "suite", suite)
    rows = (suite / "items.jsonl").read_text().splitlines()
    facts = [row for row in rows if json.loads(row)["slices"] == ["facts"]][:FACTS]
    (suite / "items.jsonl").write_text("\n".join(facts) + "\n")
    lines = (suite / "suite.yaml").read_text().splitlines()
    slices = lines.index("slices:")
    kept = [line for line in lines[slices + 1 :] if line.strip().startswith("facts:")]
    (suite / "suite.yaml").write_text("\n".join([*lines[: slices + 1], *kept]) + "\n")
    (folder / "policy.yaml").write_text("max_break_rate: 0.25\nreference_runs: 1\n")
    gguf = smollm2_q4_1()
    (folder / "build.yaml").write_text(
        f"name: smollm2\nmodel: '{gguf}'\nexpand: {REASON}\nsuite: suite\npolicy: policy.yaml\n"
        f"recipes: [Q8_0]\nforeign:\n  - {{source: '{gguf}', name: package}}\n"
    )
    return Road(folder=folder, store=folder / "store")


@pytest.fixture(scope="module")
def result(road: Road) -> Path:
    finished = road.run(*road.build, "--json")
    assert finished.returncode == 0, finished.stderr
    file = road.folder / "result.json"
    file.write_text(finished.stdout)
    return file


def test_it_is_built_and_judged_beside_the_file_that_it_comes_from(result: Path) -> None:
    said = json.loads(result.read_text())
    assert said["model"]["losses"] == [SAID]
    rows = {row["recipe"]["name"]: row for row in said["variants"]}
    assert rows["Q8_0"]["decision"] == "pass"
    findings = rows["foreign--package"]["audit"]["findings"]
    assert {each["check"] for each in findings if not each["passed"]} <= {RUNS_ON}


@pytest.mark.usefixtures("result")
@pytest.mark.parametrize(
    "command", [("lineage", "smollm2"), ("card", "smollm2"), ("lookup", "smollm2", "--json")]
)
def test_what_reads_the_registry_says_what_the_base_is(
    command: tuple[str, ...], road: Road
) -> None:
    asked = road.run(*command)
    assert asked.returncode == 0, asked.stderr
    assert "expanded from Q4_1" in " ".join(asked.stdout.split())


@pytest.mark.usefixtures("result")
@pytest.mark.parametrize("how", [(), ("--plan",)], ids=["result", "plan"])
def test_plan_and_result_say_what_the_base_is(how: tuple[str, ...], road: Road) -> None:
    asked = road.run(*road.build, *how)
    assert asked.returncode == 0, asked.stderr
    assert "expanded from Q4_1" in " ".join((asked.stdout + asked.stderr).split())


@pytest.mark.usefixtures("result")
def test_the_page_says_what_the_base_is(road: Road) -> None:
    (page,) = (road.store / "reports").glob("*/index.html")
    assert "expanded from Q4_1" in page.read_text()
