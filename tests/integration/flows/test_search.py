"""A search on a cut of the bundled example, with the real tools: the command as a user types it."""

import json
from pathlib import Path

import pytest

from tests.support.builds.road import Road, make_road

pytestmark = [pytest.mark.integration, pytest.mark.slow]

RECIPES = ("Q8_0", "Q4_K_M--imatrix", "Q2_K", "IQ1_M--imatrix")
ITEMS_A_SLICE = 12


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    road = make_road(tmp_path_factory.mktemp("search"), RECIPES, items_a_slice=ITEMS_A_SLICE)
    finished = road.run(*road.build, "--search", "size", "--json")
    assert finished.returncode == 0, finished.stderr
    (road.folder / "result.json").write_text(finished.stdout)
    return road


def search_of(road: Road) -> dict[str, object]:
    search = json.loads((road.folder / "result.json").read_text())["search"]
    assert isinstance(search, dict)
    return search


def entries(search: dict[str, object], key: str) -> list[dict[str, object]]:
    listed = search[key]
    assert isinstance(listed, list)
    return listed


def test_it_finds_a_mix_below_the_smallest_recipe_that_passes_and_asks_fewer_recipes(
    road: Road,
) -> None:
    search = search_of(road)

    tried = entries(search, "tried")
    passing = {t["identifier"]: t["size_bytes"] for t in tried if t["decision"] == "pass"}
    recipes = [t for t in tried if "mixed@" not in str(t["identifier"])]
    smallest = min(
        size
        for name, size in passing.items()
        if "mixed@" not in str(name) and isinstance(size, int)
    )
    best = passing[search["best"]]
    assert isinstance(best, int) and best < smallest
    asked, every = sum(int(str(t["asked"])) for t in recipes), search["exhaustive_evaluations"]
    assert isinstance(every, int) and asked < every
    assert search["sequences"] == len(RECIPES)


def test_what_it_tried_and_what_it_did_not_are_all_there_is(road: Road) -> None:
    search = search_of(road)

    tried = {str(each["identifier"]) for each in entries(search, "tried")}
    untried = {str(each["identifier"]) for each in entries(search, "untried")}
    assert not tried & untried
    assert {f"support-llama--{name}" for name in RECIPES} <= tried | untried
    assert any("mixed@" in name for name in tried | untried)


def test_what_passed_is_registered_and_nothing_else(road: Road) -> None:
    tried = entries(search_of(road), "tried")
    passing = {str(each["identifier"]) for each in tried if each["decision"] == "pass"}

    assert set(road.identifiers.values()) == passing


def test_run_again_it_starts_nothing_and_says_what_it_did_not_evaluate(road: Road) -> None:
    again = road.run(*road.build, "--search", "size")

    assert "everything is built, judged and registered already" in again.stderr
    assert "search by size: support-llama--" in again.stdout
    assert "not evaluated: support-llama--" in again.stdout


def test_a_plan_names_what_is_above_the_budget(road: Road) -> None:
    planned = road.run(*road.build, "--search", "size", "--budget", "2MB", "--plan")

    assert "above the budget: support-llama--Q8_0" in " ".join(planned.stdout.split())


def test_a_budget_without_a_search_is_refused(road: Road, tmp_path: Path) -> None:
    refused = road.run(*road.build, "--budget", "2MB")

    assert refused.returncode == 2
    assert "--search size" in refused.stderr
