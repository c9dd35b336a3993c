"""A whole build on loops, from the command line to page, registry and look-up, with the real tools.

The example's model was trained on single messages: it can do the first call of a loop, and says something to
the next message. These loops ask for no more, and that is enough to tell a sound variant from a broken one.
"""

import json
from pathlib import Path

import pytest

from tests.support.builds.road import Road, orchestrated
from tests.support.project import EXAMPLE

pytestmark = pytest.mark.integration

LOOPS = 34
RECIPES = ("Q8_0", "TQ2_0")


def _loop(line: str) -> dict[str, object]:
    item = json.loads(line)
    step = {"expected": item["expected"], "grader": {"kind": "tool_call"}, "required": True}
    return {
        "id": f"loop-{item['id']}",
        "slices": ["loop"],
        "messages": item["messages"],
        "turns": [{"steps": [step]}, {"user": "Thank you."}],
        "expected": r"[\s\S]",
    }


def _write(folder: Path) -> Path:
    suite = folder / "suite"
    suite.mkdir()
    rows = (EXAMPLE / "suite" / "items.jsonl").read_text().splitlines()
    flat = [line for line in rows if json.loads(line)["slices"] == ["flat"]][:LOOPS]
    (suite / "items.jsonl").write_text("\n".join(json.dumps(_loop(line)) for line in flat) + "\n")
    tools = sorted({json.loads(line)["expected"]["name"] for line in flat})
    ending = {name: {"otherwise": "done", "ends_turn": True} for name in tools}
    (suite / "suite.yaml").write_text(
        "name: desk-loops\nversion: 1\ndescription: a call, its result, one more answer\n"
        "grader: {kind: regex}\ndecode: {max_tokens: 48, temperature: 0.0}\n"
        f"loops: {json.dumps({'max_steps': 3, 'tool_answers': ending})}\n"
        "slices:\n  loop: {description: all of them}\n"
    )
    (folder / "policy.yaml").write_text("reference_runs: 2\n")
    return suite


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    """The finished build; its result is in `result.json` of the folder."""
    folder = tmp_path_factory.mktemp("loops")
    suite = _write(folder)
    road = orchestrated(Road(folder=folder, store=folder / "store"))
    options = ("--suite", str(suite), "--policy", str(folder / "policy.yaml"))
    finished = road.run(
        "quantize",
        str(EXAMPLE / "checkpoint"),
        *options,
        "--recipes",
        ",".join(RECIPES),
        "--json",
    )
    assert finished.returncode == 0, finished.stderr
    (folder / "result.json").write_text(finished.stdout)
    return road


def _rows(road: Road) -> dict[str, dict[str, object]]:
    result = json.loads((road.folder / "result.json").read_text())
    return {str(row["identifier"]).rpartition("--")[2]: row for row in result["variants"]}


def test_a_sound_variant_passes_on_loops_and_a_broken_one_fails(road: Road) -> None:
    decisions = {name: row["decision"] for name, row in _rows(road).items()}
    assert decisions == {"Q8_0": "pass", "TQ2_0": "fail"}


def test_the_page_says_how_far_a_broken_loop_came(road: Road) -> None:
    (page,) = (road.store / "reports").rglob("index.html")
    text = page.read_text()
    assert "of 2 steps reached; required step 1 (turn 1) was missed" in text
    assert "\u2192 user: Thank you." in text


def test_what_passed_is_registered_and_looked_up(road: Road) -> None:
    (identifier,) = road.identifiers.values()
    assert identifier.endswith("--Q8_0")
    name = identifier.removesuffix("--Q8_0")
    looked_up = road.run("lookup", name, "--suite", "desk-loops")
    assert looked_up.returncode == 0, looked_up.stderr
