"""The smollm2 example as `make example-smollm2` runs it: all of it.

With QUANTGATE_EXAMPLE_STORE, the store that such a run left, what is sealed there is read and not made again.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.domain.values import JsonObject
from tests.support.builds.road import Road
from tests.support.llamacpp.unpacking import smollm2_q4_1
from tests.support.project import EXAMPLE
from tests.support.scripts import SMOLLM2

pytestmark = [pytest.mark.integration, pytest.mark.slow]

RECIPES = {
    "small_chat": ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "FP8_DYNAMIC", "W4A16--gptq_g64"),
    "support_desk": ("Q8_0", "Q4_K_M"),
}
LEAST_ACCURACY = 0.9


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    """A copy of the example, its base made, in a store of its own or in the one that is named."""
    root = tmp_path_factory.mktemp("smollm2")
    folder = root / "examples" / "smollm2"
    shutil.copytree(SMOLLM2, folder, ignore=shutil.ignore_patterns("made", "__pycache__"))
    shutil.copytree(EXAMPLE / "suite", root / "examples" / "support-desk" / "suite")
    made = folder / "made"
    made.mkdir()
    gguf = smollm2_q4_1()
    (made / gguf.name).symlink_to(gguf)
    store = Path(os.environ.get("QUANTGATE_EXAMPLE_STORE", root / "store"))
    road = Road(folder=folder, store=store)
    script = str(SMOLLM2 / "train" / "prepare.py")
    subprocess.run(
        [sys.executable, script, "--output", str(made)], check=True, env=road.environment
    )
    return road


def built(road: Road, build_file: str) -> JsonObject:
    finished = road.run("quantize", "--build", str(road.folder / build_file), "--json")
    assert finished.returncode in (0, 10, 11), finished.stderr
    result: JsonObject = json.loads(finished.stdout)
    return result


@pytest.fixture(scope="module")
def small_chat(road: Road) -> JsonObject:
    return built(road, "build.yaml")


@pytest.fixture(scope="module")
def support_desk(road: Road) -> JsonObject:
    return built(road, "support-desk.yaml")


def by_name(result: JsonObject) -> dict[str, Any]:
    variants: Any = result["variants"]
    return {str(row["identifier"]).partition("--")[2]: row for row in variants}


def test_the_base_is_right_on_nine_of_ten_items_of_every_slice_in_every_runtime(
    small_chat: JsonObject,
) -> None:
    references: Any = small_chat["references"]
    assert len(references) == 2
    for reference in references:
        for part in reference["slices"]:
            assert part["accuracy"] >= LEAST_ACCURACY, (reference["subject"], part)


@pytest.mark.parametrize("suite", RECIPES)
def test_all_are_built_audited_and_judged_and_the_finest_passes_on_what_the_base_learnt(
    suite: str, request: pytest.FixtureRequest
) -> None:
    rows = by_name(request.getfixturevalue(suite))
    for name in RECIPES[suite]:
        assert rows[name]["decision"] in ("pass", "fail", "inconclusive"), rows[name]["failure"]
    if suite == "small_chat":
        assert rows["Q8_0"]["decision"] == "pass"


def test_the_package_s_own_file_is_found_to_be_a_quant_of_another_model(
    small_chat: JsonObject,
) -> None:
    row = by_name(small_chat)["foreign--package-Q4_1"]
    assert row["decision"] == "fail"
    misses = {finding["check"] for finding in row["audit"]["findings"] if not finding["passed"]}
    assert "divergence from the base against round-to-nearest" in misses
