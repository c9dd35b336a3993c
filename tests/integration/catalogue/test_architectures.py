"""Small random checkpoints of other architectures go through plan, build and audit with the real tools."""

from pathlib import Path

import pytest

from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from quantgate.pipelines.process.runner import run_worker
from tests.catalogue.table import UNTRIED, documented, verdicts
from tests.support.architectures.building import Workplace, outcome_of
from tests.support.architectures.names import Architecture, known_to_all
from tests.support.project import PROJECT

pytestmark = pytest.mark.integration

PAGE = PROJECT / "docs" / "models.md"
SOON = (
    "CohereForCausalLM",  # attention and feed-forward side by side
    "DeepseekV2ForCausalLM",  # latent attention, an expert that all tokens share
    "FalconForCausalLM",  # one key for all heads
    "Gemma3ForConditionalGeneration",  # sees as well; windows
    "Glm4ForCausalLM",  # half of a head rotated, fused projections
    "GPT2LMHeadModel",  # learned positions, transposed matrices
    "GptOssForCausalLM",  # experts with biases, attention sinks
    "Llama4ForConditionalGeneration",  # sees as well; the head is the inner model's
    "GraniteMoeHybridForCausalLM",  # state spaces, attention and experts
    "Mamba2ForCausalLM",  # no attention at all; weights that its class asks for as it loads
    "MambaForCausalLM",  # weights that its class multiplies itself
    "Qwen3_5ForCausalLM",  # linear attention; saved without the layers that draft
    "Qwen3MoeForCausalLM",  # experts
)
"""One of each kind; `make slow` tries all others."""
LISTED = known_to_all(wire(Settings.from_environment()).architectures)


def test_both_tools_know_more_than_a_hundred_architectures() -> None:
    assert len(LISTED) > 100
    assert {each.name for each in LISTED} >= {*SOON}


def test_every_one_of_them_has_a_row_in_the_documents() -> None:
    assert [*documented(PAGE)] == [each.name for each in LISTED]


@pytest.mark.parametrize(
    "architecture",
    [
        pytest.param(each, id=each.name, marks=() if each.name in SOON else pytest.mark.slow)
        for each in LISTED
    ],
)
def test_what_the_documents_say_of_an_architecture_is_so(
    architecture: Architecture, tmp_path: Path
) -> None:
    said = documented(PAGE)[architecture.name]
    assert UNTRIED not in said, "nobody tried it with these tools yet: make models"
    outcome = outcome_of(architecture, Workplace.at(tmp_path, run_worker))
    assert verdicts(outcome) == said, outcome
