"""A natively low-bit checkpoint by the real tools: judged as it is, never quantized again."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.builds.road import Road, make_road, orchestrated
from tests.support.project import EXAMPLE

pytestmark = pytest.mark.integration

RECIPE = "FP8_DYNAMIC"
NUMERICS = {RECIPE: "W8f/A8f/KV16", "AWQ": "W4/A16/KV16"}
KERNELS = {RECIPE: "emulated", "AWQ": "weight-only"}
LAYOUTS = (RECIPE, pytest.param("AWQ", marks=pytest.mark.slow))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a build without recipes said of a checkpoint."""

    details: dict[str, Any]
    told: str


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    """The example quantized to a compressed-tensors folder."""
    return built_road(tmp_path_factory.mktemp("road"), RECIPE)


def built_road(folder: Path, recipe: str) -> Road:
    """A store that holds one low-bit variant of the example; its result is in `result.json`."""
    road = orchestrated(make_road(folder, (recipe,), items_a_slice=2))
    built = road.run(*road.build, "--json", "--anyway")  # twenty items cannot pass
    assert built.returncode in (0, 10, 11), built.stderr
    (road.folder / "result.json").write_text(built.stdout)
    return road


def variant(road: Road, recipe: str) -> dict[str, Any]:
    """What the first build says of a recipe's variant."""
    variants = json.loads((road.folder / "result.json").read_text())["variants"]
    found: dict[str, Any] = next(v for v in variants if v["recipe"]["name"] == recipe)
    return found


def on_its_own(road: Road, model: str) -> Judged:
    finished = road.run(*road.build, model, "--recipes", "none", "--json")
    assert finished.returncode == 0, finished.stderr
    return Judged(details=json.loads(finished.stdout), told=finished.stderr)


@pytest.mark.parametrize("recipe", LAYOUTS)
def test_a_low_bit_checkpoint_is_its_own_reference(road: Road, recipe: str, tmp_path: Path) -> None:
    if recipe != RECIPE:
        road = built_road(tmp_path, recipe)
    built = variant(road, recipe)
    judged = on_its_own(road, built["files"]["artifact"])
    assert judged.details["model"]["quantization"]["numerics"] == NUMERICS[recipe]
    assert judged.details["variants"] == [] == judged.details["base_failures"]
    (reference,) = judged.details["references"]
    assert reference["contract"]["runtime"]["kernels"] == KERNELS[recipe]
    assert reference["noise_floor"]["repeats"] == 1
    # The very weights that were judged as a variant answer the very items: nothing may differ.
    assert reference["accuracy"] == built["verdict"]["whole"]["accuracy"]
    found = {one["name"]: one["accuracy"] for one in reference["slices"]}
    assert found == {one["name"]: one["accuracy"] for one in built["verdict"]["slices"]}


def test_a_full_precision_checkpoint_can_be_looked_at_first(road: Road) -> None:
    judged = on_its_own(road, str(EXAMPLE / "checkpoint"))
    (reference,) = judged.details["references"]
    assert judged.details["model"]["quantization"] is None
    assert reference["contract"]["runtime"]["kernels"] == "reference"
    first = json.loads((road.folder / "result.json").read_text())["references"]
    assert reference["key"] == first[0]["key"], "its runs are those of the build with recipes"


def test_a_second_look_starts_nothing(road: Road) -> None:
    model = variant(road, RECIPE)["files"]["artifact"]
    first = on_its_own(road, model)
    again = on_its_own(road, model)
    assert again.details == first.details
    assert "already" in again.told


def test_a_table_of_slices_is_printed(road: Road) -> None:
    finished = road.run(
        *road.build, variant(road, RECIPE)["files"]["artifact"], "--recipes", "none"
    )
    assert finished.returncode == 0, finished.stderr
    assert "transformers on" in finished.stdout
    assert "emulated kernels" in finished.stdout
    assert "No recipe was asked for" in finished.stdout


@pytest.mark.parametrize("recipes", ["Q8_0", "W4A16--gptq,FP8_DYNAMIC"])
def test_a_recipe_on_it_is_refused_before_anything_is_done(road: Road, recipes: str) -> None:
    model = variant(road, RECIPE)["files"]["artifact"]
    finished = road.run(*road.build, model, "--recipes", recipes)
    assert finished.returncode == 3
    assert "low-bit already (W8f/A8f/KV16, compressed-tensors float-quantized)" in finished.stderr
    assert "--recipes none" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not list(Path(road.store / "variants").glob("files--*"))
