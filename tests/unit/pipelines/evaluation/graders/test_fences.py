"""A fence around an answer is no part of it; text beside it, and another language, are."""

import pytest

from quantgate.pipelines.evaluation.graders.reading.fences import unfenced
from tests.support.grading.items import expecting, pure_grader

FENCED = [
    "```json\n{}\n```",
    "```JSON\n{}\n```",
    "```Json\r\n{}\r\n```",
    "~~~json\n{}\n~~~",
    "~~~\n{}\n~~~",
    "````json\n{}\n````",
    "``` json \n{}\n```",
    '```json title="answer.json"\n{}\n```',
    "```{.json .numberLines}\n{}\n```",
    "```application/json\n{}\n```",
    "\u200f```json\n{}\n```\u200f",
]
NOT_FENCED = [
    "```python\n{}\n```",
    "```jsonl\n{}\n```",
    "```json\n{}\n~~~",
    "```json {} ```",
    "Here: ```json\n{}\n```",
]


@pytest.mark.parametrize("text", FENCED)
def test_one_fence_around_all_of_an_answer_does_not_count(text: str) -> None:
    assert pure_grader("json").grade(text, expecting({})).correct
    assert unfenced(text.strip("\u200f")) == "{}"


@pytest.mark.parametrize("text", NOT_FENCED)
def test_anything_else_around_it_counts(text: str) -> None:
    assert not pure_grader("json").grade(text, expecting({})).correct
