"""How a unit ended is said as it was: done, failed, or interrupted by who ended the program."""

import pytest

from quantgate.flows.progress.ends import UnitEnd, timed
from quantgate.pipelines.domain.errors import InterruptionError


def said_after(error: BaseException) -> str:
    ends: list[UnitEnd] = []
    with (
        pytest.raises(type(error)),
        timed("answer", "demo--Q8_0", iter((1.0, 5.0)).__next__, ends.append),
    ):
        raise error
    (end,) = ends
    return end.plain


@pytest.mark.parametrize("error", [KeyboardInterrupt(), InterruptionError("the program is ending")])
def test_an_end_that_was_asked_for_is_no_failure(error: BaseException) -> None:
    assert said_after(error) == "answer: demo--Q8_0 interrupted after 4 s"


def test_all_else_that_is_raised_is_one() -> None:
    assert said_after(ValueError()) == "answer: demo--Q8_0 FAILED after 4 s"
