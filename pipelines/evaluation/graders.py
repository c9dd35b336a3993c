"""Graders: pure, total, versioned functions from an answer and an expectation to a grade."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Protocol

from pipelines.domain.run import Answer, Grade, GradedAnswer
from pipelines.domain.suite import GraderSpec
from pipelines.domain.values import JsonValue
from pipelines.evaluation.graders_exact import ExactGrader, exact_expectation_problem
from pipelines.evaluation.graders_text import storable
from pipelines.evaluation.graders_tool_call import ToolCallGrader, tool_call_expectation_problem


class Grader(Protocol):
    """Judges answers. Anything that changes a judgement changes the version in `name`."""

    @property
    def name(self) -> str:
        """Name and version, e.g. `tool_call@1`; it travels with every grade."""
        ...

    def grade(self, answer_text: str, expected: JsonValue) -> Grade:
        """Judge an answer. Pure; never raises on anything a model can say."""
        ...


GRADERS: Mapping[str, Grader] = MappingProxyType(
    {"tool_call": ToolCallGrader(), "exact": ExactGrader()}
)

_EXPECTATION_PROBLEMS: Mapping[str, Callable[[JsonValue], str | None]] = MappingProxyType(
    {"tool_call": tool_call_expectation_problem, "exact": exact_expectation_problem}
)


def grader_for(spec: GraderSpec) -> Grader:
    """Return the grader a suite asks for."""
    return GRADERS[spec.kind]


def expectation_problem(spec: GraderSpec, expected: JsonValue) -> str | None:
    """Say why no answer could ever meet an item's expectation, or None where one could.

    To be asked when a suite is accepted: with such an expectation every answer is graded wrong.
    """
    return _EXPECTATION_PROBLEMS[spec.kind](expected)


def grade_answer(grader: Grader, answer: Answer, expected: JsonValue) -> GradedAnswer:
    """Grade one raw answer, with regard to how it ended.

    `error` is wrong whatever its text. `length` is graded on its text, and the reason says that the
    answer was cut off at `max_tokens`.
    """
    if answer.finish_reason == "error":
        grade = Grade(
            correct=False,
            reason="the runtime reported an error instead of an answer",
            canonical=storable(answer.text.strip()),
            grader=grader.name,
        )
        return GradedAnswer(answer=answer, grade=grade)
    grade = grader.grade(answer.text, expected)
    if answer.finish_reason == "length":
        grade = replace(grade, reason=f"{grade.reason}; the answer was cut off at max_tokens")
    return GradedAnswer(answer=answer, grade=grade)
