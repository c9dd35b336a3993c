"""Ids of items under which no other item is answered: samples and steps have ids of their own."""

from dataclasses import replace

import pytest

from quantgate.flows.build.preflight.all import refuse_unanswerable
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Item, Message
from quantgate.pipelines.evaluation.sampling import id_problem
from tests.support.loops.scripted import refund, suite_with


def plain(item_id: str) -> Item:
    return Item(
        id=item_id,
        messages=(Message(role="user", content="?"),),
        expected="yes",
        slices=("loop",),
    )


@pytest.mark.parametrize("item_id", ["loop-1#2", "loop-1#step2", "loop-1#2#step3"])
def test_an_id_of_a_loops_step_or_sample_is_refused(item_id: str) -> None:
    suite = suite_with(refund(), plain(item_id))
    problem = id_problem(suite, suite.items[1])
    assert problem is not None and "'loop-1' is answered" in problem
    with pytest.raises(InputError, match=f"item '{item_id}': its id is one under which"):
        refuse_unanswerable(suite)


def test_an_id_of_a_sample_is_refused_where_there_are_samples() -> None:
    twice = suite_with(plain("a"), plain("a#2"), samples=2)
    assert id_problem(twice, twice.items[1]) is not None
    once = replace(twice, decode=replace(twice.decode, samples=1))
    assert id_problem(once, once.items[1]) is None


def test_a_number_sign_in_an_id_is_no_fault() -> None:
    suite = suite_with(refund(), plain("case#2"), plain("case#step2"), plain("loop-1#x"))
    assert [id_problem(suite, item) for item in suite.items] == [None] * 4
    refuse_unanswerable(suite)
