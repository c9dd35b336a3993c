"""Whole builds of small random checkpoints, from the command line to verdicts, with the real tools.

What `tests.integration.catalogue` tries part by part is done here as users do it: the base is asked and held
against the checkpoint, variants are built, audited, asked and judged, and all of it is recorded.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from tests.support.architectures.low_bit import as_fp8_release, as_mxfp4_release
from tests.support.architectures.made import random_checkpoint_of
from tests.support.architectures.names import Architecture, known_to_all
from tests.support.builds.road import Road, orchestrated, warmed
from tests.support.warm import LLMCOMPRESSOR, TRANSFORMERS, run_warm

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ITEMS = 12
REASON = "nothing wider is published"
BOTH = ("Q8_0", "FP8_DYNAMIC")
RECIPES = {
    "Cohere2ForCausalLM": BOTH,
    "Glm4ForCausalLM": BOTH,
    "GPT2LMHeadModel": ("Q8_0", "Q4_K_M"),  # llm-compressor quantizes none of its layers
    "HrmTextForCausalLM": BOTH,  # several layers are saved as one matrix
    "MiniMaxM3SparseForConditionalGeneration": ("FP8_DYNAMIC",),
    "OPTForCausalLM": ("FP8_DYNAMIC", "W4A16--gptq"),  # llama.cpp's converter does not know it
}
RELEASES = {
    "GptOssForCausalLM": ("MXFP4 in blocks of 32", as_mxfp4_release),
    "DeepseekV3ForCausalLM": ("FP8 in squares of 128", as_fp8_release),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a build said: its result, and its words."""

    result: dict[str, Any]
    said: str

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """The variants by recipe."""
        return {str(row["recipe"]["name"]): row for row in self.result["variants"]}


@cache
def architecture(name: str) -> Architecture:
    """Return one that both tools know, or that transformers alone does."""
    listed = known_to_all(wire(Settings.from_environment()).architectures)
    found = next((each for each in listed if each.name == name), None)
    return found or Architecture(name=name, model_type=name.removesuffix("ForCausalLM").lower())


def built(folder: Path, model: Path, recipes: tuple[str, ...], *options: str) -> Built:
    """Build, judge and record variants of a checkpoint on twelve short items, which prove nothing."""
    suite = folder / "suite"
    suite.mkdir(parents=True)
    items = [
        {
            "id": f"item-{number}",
            "prompt": f"Say {number}.",
            "expected": r"[\s\S]*",
            "slices": ["numbers"],
        }
        for number in range(ITEMS)
    ]
    (suite / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    (suite / "suite.yaml").write_text(
        "name: numbers\nversion: 1\ndescription: whatever is said is right\n"
        "grader: {kind: regex}\ndecode: {max_tokens: 4, temperature: 0.0}\n"
        "slices:\n  numbers: {description: all of them}\n"
    )
    rows = [{"text": f"Order {number} was sent on Monday, wasn't it?"} for number in range(64)]
    (folder / "traffic.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "corpus.yaml").write_text(
        "name: orders\nsequences: 16\nsources:\n  - path: traffic.jsonl\n"
    )
    (folder / "policy.yaml").write_text("reference_runs: 2\n")
    road = orchestrated(
        warmed(Road(folder=folder, store=folder / "store"), TRANSFORMERS, LLMCOMPRESSOR)
    )
    finished = road.run(
        *("quantize", str(model), "--suite", str(suite), "--corpus", str(folder / "corpus.yaml")),
        *("--policy", str(folder / "policy.yaml"), "--recipes", ",".join(recipes)),
        *("--anyway", "--json", *options),
    )
    assert finished.returncode in (0, 11), finished.stderr
    return Built(result=json.loads(finished.stdout), said=finished.stderr)


def audited_and_judged(build: Built, recipes: tuple[str, ...]) -> None:
    """Every variant passed its audit, answered every item, and has a verdict."""
    assert build.result["base_failures"] == []
    assert set(build.rows) == set(recipes)
    for name, row in build.rows.items():
        assert row["failure"] is None, (name, row["failure"])
        misses = [each for each in row["audit"]["findings"] if not each["passed"]]
        assert misses == [], (name, misses)
        assert row["verdict"]["whole"]["items"] == ITEMS
        assert row["decision"] in ("pass", "inconclusive"), (name, row["decision"])


@pytest.mark.parametrize("name", RECIPES)
def test_a_random_checkpoint_is_built_audited_asked_and_judged(name: str, tmp_path: Path) -> None:
    model = random_checkpoint_of(architecture(name), tmp_path / "dense", run_warm)
    build = built(tmp_path / "build", model, RECIPES[name])
    audited_and_judged(build, RECIPES[name])
    assert build.result["model"]["architecture_review"] == "unreviewed"


@pytest.mark.parametrize("name", RELEASES)
def test_a_low_bit_release_is_expanded_and_everything_made_of_it_says_so(
    name: str, tmp_path: Path
) -> None:
    stored_as, layout = RELEASES[name]
    dense = random_checkpoint_of(architecture(name), tmp_path / "dense", run_warm)
    model = layout(dense, tmp_path / "released", ())
    build = built(tmp_path / "build", model, BOTH, "--expand", REASON)
    audited_and_judged(build, BOTH)
    assert build.result["model"]["losses"] == [f"expanded from {stored_as} ({REASON})"]
