"""From forty questions to a verdict, as docs/start.md has it: `init`, then the commands that it prints."""

import csv
import json
import shlex
import subprocess

import pytest

from tests.support.builds.road import Road
from tests.support.project import EXAMPLE

pytestmark = [pytest.mark.integration, pytest.mark.slow]

QUESTIONS = 40


@pytest.fixture(scope="module")
def followed(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Road, list[subprocess.CompletedProcess[str]]]:
    """Forty of the example's items as a table, `init`, and each of the three commands that it names."""
    folder = tmp_path_factory.mktemp("tutorial")
    road = Road(folder=folder, store=folder / "store")
    table = folder / "questions.csv"
    lines = (EXAMPLE / "suite" / "items.jsonl").read_text(encoding="utf-8").splitlines()
    items = [json.loads(line) for line in lines]
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["question", "answer", "category"])
        for item in items[:QUESTIONS]:
            asked = item["messages"][-1]["content"]
            rows.writerow([asked, json.dumps(item["expected"]), item["slices"][0]])
    begun = road.run(
        "init", str(folder / "mine"), "--from", str(table), "--model", str(EXAMPLE / "checkpoint")
    )
    assert begun.returncode == 0, begun.stderr
    _, _, printed = begun.stdout.partition("next:\n")
    commands = [shlex.split(line) for line in printed.splitlines()]
    assert [command[:2] for command in commands] == [
        ["quantgate", "suite"],
        ["quantgate", "quantize"],
        ["quantgate", "quantize"],
    ]
    return road, [road.run(*command[1:]) for command in commands]


def test_the_suite_has_no_problem_and_the_plan_names_what_it_will_build(
    followed: tuple[Road, list[subprocess.CompletedProcess[str]]],
) -> None:
    _, (checked, planned, _) = followed
    assert checked.returncode == 0, checked.stderr
    assert "0 problems" in checked.stdout
    assert planned.returncode == 0, planned.stderr
    assert "Q8_0" in planned.stdout


def test_the_third_command_ends_with_a_verdict_and_a_page(
    followed: tuple[Road, list[subprocess.CompletedProcess[str]]],
) -> None:
    road, (*_, judged) = followed
    assert judged.returncode in (0, 10, 11), judged.stderr
    assert "variants passed" in judged.stdout or "Nothing passed" in judged.stdout
    assert len(list((road.store / "reports").glob("*/index.html"))) == 1
