"""In which order a run asks that may end early."""

from collections.abc import Sequence
from dataclasses import replace

from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.engines.requests import Prompt
from quantgate.pipelines.evaluation.order import likeliest_to_break, portions
from tests.support.verdicts.judging import repeat_of, run_of, suite_of


def with_margins(run: Run, margins: Sequence[float | None]) -> Run:
    answers = (
        replace(graded, answer=replace(graded.answer, margin=margin))
        for graded, margin in zip(run.answers, margins, strict=True)
    )
    return replace(run, answers=tuple(answers))


def test_what_the_base_nearly_decided_otherwise_comes_first_and_what_cannot_break_is_not_named() -> (
    None
):
    suite = suite_of([("all",)] * 5)
    base = with_margins(
        run_of(suite, ["yes", "no", "yes", "yes", "yes"]), [9.0, 0.1, 0.2, None, 0.3]
    )
    again = repeat_of(base, seed=1, wrong=[4])
    assert likeliest_to_break((base, again)) == ("i-2", "i-0")


def test_samples_of_an_item_stay_together_and_items_without_a_place_come_last() -> None:
    ids = ("a", "b", "b#2", "c", "d#2")
    prompts = [Prompt(item_id=each, token_ids=(1,)) for each in ids]
    pieces = portions(prompts, 2, ("d#2", "b"))
    assert [[each.item_id for each in piece] for piece in pieces] == [
        ["d#2", "b", "b#2"],
        ["a", "c"],
    ]
    assert [len(piece) for piece in portions(prompts, 3)] == [2, 2, 1]
