"""The transcript while it grows."""

from pathlib import Path

from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.engines.answer_log import AnswerLog


def answer(item: str, tokens: int) -> Answer:
    return Answer(
        item_id=item,
        text="x",
        token_ids=tuple(range(tokens)),
        finish_reason="stop",
        prompt_tokens=1,
    )


def test_tokens_are_those_of_answers_that_were_added_since_it_was_opened(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path / "answers.jsonl")
    log.append([answer("a", 3), answer("b", 4)])
    log.append([answer("a", 3), answer("c", 5)])
    assert log.tokens == 12
    again = AnswerLog(tmp_path / "answers.jsonl")
    again.append([answer("d", 2)])
    assert (again.tokens, again.answered) == (2, frozenset("abcd"))
