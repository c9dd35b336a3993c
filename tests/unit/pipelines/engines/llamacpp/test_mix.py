"""Measured mixes: how tensors are grouped, and which types fit a budget best."""

import itertools
import random
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import CheckpointError, InputError
from quantgate.pipelines.engines.llamacpp.types.assignment import TypeChoice, assign
from quantgate.pipelines.engines.llamacpp.types.groups import MOST_GROUPS, tensor_groups
from quantgate.pipelines.formats.safetensors import StoredTensor

KINDS = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
CANDIDATES = ("IQ2_XXS", "Q2_K", "Q6_K")


def stored(name: str, *shape: int) -> StoredTensor:
    return StoredTensor(
        name=name, dtype="F16", shape=shape, file=Path("model.gguf"), start=0, size_bytes=0
    )


def model(layers: int, row: int = 256) -> tuple[StoredTensor, ...]:
    return (
        stored("token_embd.weight", 100, row),
        stored("output_norm.weight", row),
        *(
            stored(f"blk.{layer}.{kind}.weight", 10, row)
            for layer in range(layers)
            for kind in KINDS
        ),
    )


def test_a_small_model_has_a_group_for_every_weight() -> None:
    groups = tensor_groups(model(4), CANDIDATES)
    assert len(groups) == 4 * 7 + 1
    assert all(len(group.tensors) == 1 for group in groups)


@pytest.mark.parametrize("layers", [5, 16, 32, 80, 126])
def test_a_large_one_has_bands_of_layers_and_no_more_groups_than_allowed(layers: int) -> None:
    groups = tensor_groups(model(layers), CANDIDATES)
    assert len(groups) <= MOST_GROUPS
    named = [name for group in groups for name in group.tensors]
    assert len(named) == len(set(named)) == layers * 7 + 1
    assert sum(group.parameter_count for group in groups) == 25_600 + layers * 7 * 2560


def test_embeddings_get_no_type_that_needs_importance() -> None:
    types = {group.name: group.types for group in tensor_groups(model(1), CANDIDATES)}
    assert types["token_embd"] == ("Q2_K", "Q6_K")
    assert types["ffn_up 0"] == CANDIDATES


def test_a_group_gets_no_type_whose_blocks_do_not_divide_its_rows() -> None:
    groups = tensor_groups(model(1, row=96), (*CANDIDATES, "Q4_0"))
    assert {group.types for group in groups} == {("Q4_0",)}
    with pytest.raises(CheckpointError, match="none of the mix's candidates"):
        tensor_groups(model(1, row=96), CANDIDATES)


def test_an_assignment_is_the_best_there_is() -> None:
    """Held against trying everything."""
    chance = random.Random(7)
    for _ in range(30):
        groups = [
            [
                TypeChoice(type=str(index), bits=chance.randrange(1, 40) * 64, loss=chance.random())
                for index in range(3)
            ]
            for _ in range(5)
        ]
        budget = 5 * 20 * 64.0
        within = [
            sum(choice.loss for choice in choices)
            for choices in itertools.product(*groups)
            if sum(choice.bits for choice in choices) <= budget
        ]
        chosen = assign(groups, budget)
        assert sum(choice.bits for choice in chosen) <= budget
        assert sum(choice.loss for choice in chosen) == pytest.approx(min(within))


def test_costs_that_share_no_divisor_stay_within_the_budget() -> None:
    groups = [
        [
            TypeChoice(type="narrow", bits=2_000_003 + index, loss=1.0),
            TypeChoice(type="wide", bits=6_000_001 + index, loss=0.0),
        ]
        for index in range(40)
    ]
    budget = 160_000_000.0
    chosen = assign(groups, budget)
    assert sum(choice.bits for choice in chosen) <= budget
    assert sum(choice.type == "wide" for choice in chosen) >= 19


def test_a_budget_below_the_cheapest_types_is_refused() -> None:
    with pytest.raises(InputError, match="above the size budget"):
        assign([[TypeChoice(type="Q2_K", bits=100, loss=0.0)]], 99)
