"""Agreement reads a reference's answer as its grader reads expectations, and in no other way."""

from dataclasses import replace

import pytest

from quantgate.pipelines.authoring.agreement import AgreementGrader
from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.domain.suites.suite import GraderSpec, Message
from tests.support.verdicts.judging import suite_of

CONTAINS = GraderSpec(kind="contains")
NUMBER = GraderSpec(kind="number")
CHOICE = GraderSpec(kind="choice")
YES_OR_NO = GraderSpec(kind="choice", options={"choices": ["yes", "no"]})
REFUSAL = GraderSpec(kind="refusal")
EXACT = GraderSpec(kind="exact")
JSON = GraderSpec(kind="json")


def agrees(grader: GraderSpec, reference: str, said: str) -> bool:
    suite = replace(suite_of([("s",)]), grader=grader)
    asked = (Message(role="user", content="Which?\nA) one\nB) two"),)
    item = replace(suite.items[0], expected=None, messages=asked)
    answer = Answer(item_id=item.id, text=said, token_ids=(), finish_reason="stop", prompt_tokens=0)
    suite = replace(suite, items=(item,))
    judged = AgreementGrader(suite=suite, reference={item.id: reference}).grade(item, answer)
    return judged.grade.correct


@pytest.mark.parametrize(
    ("grader", "reference", "said"),
    [
        (CONTAINS, "I think Paris", "I think Rome"),
        (CONTAINS, "In 2024 it was Paris", "In 2024 it was Rome"),
        (EXACT, "4", "So 4"),
        (NUMBER, "It is 4.", "It is 5."),
        (CHOICE, "The answer is A", "The answer is B"),
        (YES_OR_NO, "yes, it is", "no, it is not"),
        (REFUSAL, "Here it is.", "I'm sorry, but I can't help with that."),
        (JSON, '{"a": 1}', '{"a": 2}'),
    ],
)
def test_another_answer_does_not_agree(grader: GraderSpec, reference: str, said: str) -> None:
    assert not agrees(grader, reference, said)


@pytest.mark.parametrize(
    ("grader", "reference", "said"),
    [
        (CONTAINS, "Paris", "I think Paris"),
        (NUMBER, "It is 4.", "So the answer is 4"),
        (CHOICE, "The answer is A", "A"),
        (YES_OR_NO, "Yes.", "yes"),
        (REFUSAL, "I'm sorry, but I can't help with that.", "I cannot help with that, sorry."),
        (JSON, '{"a": 1, "b": 2}', '{"b": 2, "a": 1}'),
    ],
)
def test_the_same_answer_in_other_words_agrees(
    grader: GraderSpec, reference: str, said: str
) -> None:
    assert agrees(grader, reference, said)
