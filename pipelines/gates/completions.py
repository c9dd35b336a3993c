"""The best and the worst that the items not asked yet could answer.

Every rule of a policy gets no better by an answer that is wrong instead of right, longer, cut off, in a loop
or a refusal. The best completion is therefore no worse by any rule than whatever may come, and the worst no
better, even where no model could answer so (right, and without a token).
"""

from collections.abc import Sequence
from dataclasses import replace

from quantgate.pipelines.domain.run import Answer, Facet, Grade, GradedAnswer, Run
from quantgate.pipelines.domain.suites.suite import Item, Suite
from quantgate.pipelines.domain.suites.thoughts import Spoken
from quantgate.pipelines.paired.refusals import REFUSED


def best_completion(suite: Suite, reference: Run, asked: Run) -> Run:
    """Return the run with every other item right, without a token, and no refusal."""
    return _completed(suite, reference, asked, right=True)


def worst_completion(suite: Suite, reference: Run, asked: Run) -> Run:
    """Return the run with every other item wrong, a refusal that goes round in circles to its limit."""
    return _completed(suite, reference, asked, right=False)


def all_thoughts(completed: Run, asked: Run) -> Run:
    """Return a completed run in which the answers that were not asked are thoughts from end to end.

    The audit holds thoughts and what is said apart: no answer is longer in both.
    """
    ids = {graded.answer.item_id for graded in asked.answers}

    def thinking(graded: GradedAnswer) -> GradedAnswer:
        tokens = graded.answer.length_tokens
        return replace(graded, spoken=Spoken(text="", finished=False, thought_tokens=tokens))

    return replace(
        completed,
        answers=tuple(
            graded if graded.answer.item_id in ids else thinking(graded)
            for graded in completed.answers
        ),
    )


def _completed(suite: Suite, reference: Run, asked: Run, *, right: bool) -> Run:
    graded_answers = {graded.answer.item_id: graded for graded in asked.answers}
    lengths: dict[int, tuple[int, ...]] = {}
    return replace(
        asked,
        answers=tuple(
            graded_answers.get(item.id) or _imagined(suite, item, graded, lengths, right=right)
            for item, graded in zip(suite.items, reference.answers, strict=True)
        ),
    )


def _imagined(
    suite: Suite,
    item: Item,
    reference: GradedAnswer,
    lengths: dict[int, tuple[int, ...]],
    *,
    right: bool,
) -> GradedAnswer:
    decode = suite.decode_of(item)
    answers = item.loop.max_steps if item.loop else 1
    most = 0 if right else decode.max_tokens * decode.samples * answers
    token_ids = lengths.setdefault(most, (0,) * most)
    return GradedAnswer(
        answer=Answer(
            item_id=item.id,
            text="",
            token_ids=token_ids,
            finish_reason="stop" if right else "length",
            prompt_tokens=reference.answer.prompt_tokens,
        ),
        grade=Grade(
            correct=right,
            reason="not asked",
            canonical="",
            grader=reference.grade.grader,
            score=float(right),
            facets=(Facet(name=REFUSED, score=float(not right)),),
        ),
    )


def answered(runs: Sequence[Run], asked: Run) -> tuple[Run, ...]:
    """Return reference runs cut down to the items that were asked."""
    ids = {graded.answer.item_id for graded in asked.answers}
    return tuple(
        replace(run, answers=tuple(g for g in run.answers if g.answer.item_id in ids))
        for run in runs
    )
