"""Answers that go round in circles until they are cut off."""

from quantgate.pipelines.domain.run import Answer

_LOOP_PERIODS = range(1, 9)
_LOOP_REPEATS = 6
"""A tail that repeats a block of up to eight tokens six times is a degenerate loop."""


def loops(answer: Answer) -> bool:
    """Whether an answer that ran into its limit ends in a short block of tokens repeated over and over.

    Where its token ids are unknown, words stand for them.
    """
    if answer.finish_reason != "length":
        return False
    ids: tuple[object, ...] = answer.token_ids or tuple(f"{answer.reasoning} {answer.text}".split())
    return any(
        len(ids) >= period * _LOOP_REPEATS
        and ids[-period * _LOOP_REPEATS :] == ids[-period:] * _LOOP_REPEATS
        for period in _LOOP_PERIODS
    )
