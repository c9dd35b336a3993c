"""How prompts are shared out to engines, and what these hold meanwhile."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from quantgate.pipelines.engines.llamacpp.layout import Layout, room_of
from quantgate.pipelines.engines.llamacpp.sharing import (
    Sharing,
    at_once,
    share_out,
    sharing,
    side_by_side,
    stages,
)
from tests.unit.pipelines.engines.llamacpp.test_slots import layout, prompt


def test_small_models_get_an_engine_for_each_thread_that_can_be_filled() -> None:
    small, large = 3_400_000, 7_000_000_000
    assert side_by_side(200, 32, 2, small) == (2, 16)
    assert side_by_side(30, 32, 16, small) == (1, 16)
    assert side_by_side(200, 32, 16, small) == (12, 16)
    assert side_by_side(200, 8, 2, small) == (2, 8)
    assert side_by_side(200, 32, 2, large) == (1, 32)


@pytest.mark.parametrize("weights", [1_000_000, 96_000_000, 8_000_000_000])
def test_on_a_gpu_one_engine_has_all_slots(weights: int) -> None:
    shared = sharing(200, 64, 16, weights, on_gpus=True)

    assert shared == Sharing(engines=1, slots=64, at_once=1)
    assert sharing(200, 64, 2, 96_000_000) == Sharing(engines=1, slots=64, at_once=2)


def test_models_of_middle_size_have_two_groups_answered_at_once() -> None:
    small, middle, large = 3_400_000, 135_000_000, 7_000_000_000
    assert [at_once(1, 8, weights) for weights in (small, middle, large)] == [1, 2, 1]
    assert at_once(1, 1, middle) == 1
    assert at_once(5, 8, small) == 5, "as many as they were cut for"


def staged(
    layouts: Sequence[Layout], engines: int, most: int, costs: Sequence[int] = ()
) -> list[tuple[tuple[int, ...], int]]:
    costs = costs or [1] * len(layouts)
    return [(stage.groups, stage.at_once) for stage in stages(layouts, costs, engines, most)]


def test_groups_left_over_share_all_threads() -> None:
    assert staged([layout()] * 5, 1, 2) == [((4,), 1), ((0, 1, 2, 3), 2)]
    assert staged([layout()] * 5, 2, 2) == [((0, 1, 2, 3), 2), ((4,), 1)]
    assert staged([layout()] * 4, 2, 2) == [((0, 1, 2, 3), 2)]
    assert staged([layout()] * 2, 4, 4) == [((0, 1), 2)]
    assert staged([layout()] * 3, 1, 1) == [((0, 1, 2), 1)]
    assert staged([], 1, 2) == []


def test_only_groups_of_about_one_length_are_answered_at_once() -> None:
    assert staged([layout()] * 2, 1, 2, [8, 56]) == [((0, 1), 1)]
    assert staged([layout()] * 5, 1, 2, [56, 8, 60, 100, 7]) == [((0,), 1), ((3, 2, 1, 4), 2)]
    assert staged([layout()] * 3, 1, 2, [10, 8, 5]) == [((2,), 1), ((0, 1), 2)]
    assert staged([layout()] * 2, 2, 2, [8, 56]) == [((0, 1), 2)], "cut for two anyway"


def test_groups_whose_digits_hang_on_threads_keep_all_of_them() -> None:
    short = replace(layout(), slot_tokens=256)
    long, plain = (
        replace(layout(), slot_tokens=257, flash_attention=flash) for flash in (True, False)
    )
    assert staged([long, short, long, plain], 1, 2) == [((0, 2), 1), ((1, 3), 2)]
    assert staged([long, short, long, plain], 2, 2) == [((0, 1, 2, 3), 2)], "cut for two anyway"


def test_what_is_held_at_once_are_the_largest_contexts_of_a_stage() -> None:
    short = [prompt(f"short{at}", *range(at, at + 20)) for at in range(40)]
    long = [prompt(f"long{at}", *range(at, at + 600)) for at in range(16)]

    def held(prompts: int, most: int) -> list[tuple[int, int]]:
        shares = Sharing(engines=1, slots=8, at_once=most)
        shared = share_out([*short, *long][-prompts:], room_of(100), shares)
        return [(laid.sequences, laid.context_tokens) for laid in shared.most_held]

    assert held(16, 1) == [(8, 8 * 768)]
    assert held(56, 1) == [(8, 8 * 768)], "groups come one after the other"
    assert held(5, 1) == [(5, 5 * 768)], "no more slots than prompts"
    assert held(56, 2) == [(8, 8 * 768)], "long prompts get all threads"
    assert share_out([], room_of(100), Sharing(engines=2, slots=8, at_once=2)).most_held == ()


def test_two_groups_at_once_are_held_together() -> None:
    prompts = [prompt(str(at), *range(at, at + 20)) for at in range(80)]
    shared = share_out(prompts, room_of(100), Sharing(engines=1, slots=8, at_once=2))
    assert [laid.context_tokens for laid in shared.most_held] == [8 * 256] * 2


def test_an_answer_has_what_the_context_leaves() -> None:
    assert room_of(8)(prompt("a", *range(30))) == 8
    assert room_of(8, 32)(prompt("a", *range(30))) == 2
    assert room_of(8)(prompt("a")) == 0
    assert room_of(8)(replace(prompt("a", 1), max_tokens=3)) == 3
