"""What prompts begin with in common."""

import pytest

from quantgate.pipelines.engines.prompt_lengths import common_prefix
from quantgate.pipelines.engines.requests import Prompt


def prompt(item_id: str, *token_ids: int) -> Prompt:
    return Prompt(item_id=item_id, token_ids=token_ids)


def test_the_shared_prefix_leaves_every_prompt_a_token_of_its_own() -> None:
    prompts = [prompt("a", 1, 2, 3, 4), prompt("b", 1, 2, 3), prompt("c", 1, 2, 3, 5)]
    assert common_prefix(prompts, worth_tokens=2) == (1, 2)


@pytest.mark.parametrize(
    "prompts",
    [
        pytest.param([prompt("a", 1, 2, 3, 4)], id="only-one-prompt"),
        pytest.param([prompt("a", 1, 2, 3), prompt("b", 1, 3, 3)], id="too-short"),
        pytest.param([], id="no-prompts"),
    ],
)
def test_a_prefix_not_worth_it_is_not_shared(prompts: list[Prompt]) -> None:
    assert common_prefix(prompts, worth_tokens=2) == ()
