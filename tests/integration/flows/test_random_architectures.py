"""Small random checkpoints from plan to verdict, with the real tools.

What `tests.integration.catalogue` tries part by part is done here in the order of a build: the base is held
against the checkpoint and asked, variants are built, audited, asked and judged.
"""

from functools import cache
from pathlib import Path

import pytest

from quantgate.flows.build import units
from quantgate.flows.build.bases import refuse_base
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from quantgate.pipelines.domain.verdicts.decision import Decision
from quantgate.pipelines.process.runner import run_worker
from tests.support.architectures.low_bit import as_fp8_release, as_mxfp4_release
from tests.support.architectures.made import random_checkpoint_of
from tests.support.architectures.names import Architecture, known_to_all
from tests.support.builds.short_build import ITEMS, short_site
from tests.support.builds.walking import judged

pytestmark = [pytest.mark.integration, pytest.mark.slow]

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


@cache
def architecture(name: str) -> Architecture:
    """Return one that both tools know, or that transformers alone does."""
    listed = known_to_all(wire(Settings.from_environment()).architectures)
    found = next((each for each in listed if each.name == name), None)
    return found or Architecture(name=name, model_type=name.removesuffix("ForCausalLM").lower())


@pytest.mark.parametrize("name", RECIPES)
def test_a_random_checkpoint_is_built_audited_asked_and_judged(name: str, tmp_path: Path) -> None:
    model = random_checkpoint_of(architecture(name), tmp_path / "dense", run_worker)
    build = short_site(tmp_path / "build", model, RECIPES[name])
    assert build.plan.checkpoint.architecture_review == "unreviewed"
    _every_variant_is_judged(build)


@pytest.mark.parametrize("name", RELEASES)
def test_a_low_bit_release_is_expanded_built_audited_asked_and_judged(
    name: str, tmp_path: Path
) -> None:
    stored_as, layout = RELEASES[name]
    dense = random_checkpoint_of(architecture(name), tmp_path / "dense", run_worker)
    model = layout(dense, tmp_path / "released", ())
    build = short_site(tmp_path / "build", model, BOTH, expansion=REASON)
    assert build.plan.checkpoint.losses == (f"expanded from {stored_as} ({REASON})",)
    _every_variant_is_judged(build)


def _every_variant_is_judged(build: LocalBuild) -> None:
    """Hold that no runtime refuses the base, every audit is passed, and every item is answered alike."""
    for planned in build.plan.variants:
        refuse_base(build, planned.recipe.runtime)
        units.build_files(build, planned)
        judgement = judged(build, planned)
        assert judgement.audit.misses == (), planned.identifier
        whole = judgement.verdict.whole
        assert whole is not None
        counts = whole.statistics
        assert (counts.items, counts.reference_right, counts.variant_right) == (ITEMS,) * 3
        assert judgement.verdict.decision is Decision.INCONCLUSIVE, "twelve items prove nothing"
