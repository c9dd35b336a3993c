"""Which grader stands behind which name, and how an answer's end bears on its grade."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import cast

from quantgate.pipelines.domain.loops import loops
from quantgate.pipelines.domain.run import Answer, Grade, GradedAnswer
from quantgate.pipelines.domain.suites.suite import GraderKind, GraderSpec, Item
from quantgate.pipelines.domain.suites.thoughts import FAMILIES, Spoken, Thoughts
from quantgate.pipelines.domain.values import JsonValue, canonical_json
from quantgate.pipelines.evaluation.graders.calls.bfcl import BfclGrader
from quantgate.pipelines.evaluation.graders.calls.tool_call import ToolCallGrader
from quantgate.pipelines.evaluation.graders.likeness.chrf import ChrfGrader
from quantgate.pipelines.evaluation.graders.likeness.rouge import RougeGrader
from quantgate.pipelines.evaluation.graders.likeness.similarity import SimilarityGrader
from quantgate.pipelines.evaluation.graders.numbers.math import MathGrader
from quantgate.pipelines.evaluation.graders.numbers.number import NumberGrader
from quantgate.pipelines.evaluation.graders.observed.code import CodeGrader
from quantgate.pipelines.evaluation.graders.observed.judge import JudgeGrader
from quantgate.pipelines.evaluation.graders.observed.lm_eval import LmEvalGrader
from quantgate.pipelines.evaluation.graders.protocol import AnyGrader
from quantgate.pipelines.evaluation.graders.reading.grades import wrong
from quantgate.pipelines.evaluation.graders.reading.speech import (
    AnySpokenGrader,
    SpokenObservedGrader,
    of_spoken,
)
from quantgate.pipelines.evaluation.graders.structures.json_answer import JsonGrader
from quantgate.pipelines.evaluation.graders.text.choice import ChoiceGrader
from quantgate.pipelines.evaluation.graders.text.contains import ContainsGrader
from quantgate.pipelines.evaluation.graders.text.exact import ExactGrader
from quantgate.pipelines.evaluation.graders.text.injection import InjectionGrader
from quantgate.pipelines.evaluation.graders.text.language import LanguageGrader
from quantgate.pipelines.evaluation.graders.text.refusal import RefusalGrader
from quantgate.pipelines.evaluation.graders.text.regex import RegexGrader
from quantgate.pipelines.evaluation.graders.ways import way_of
from quantgate.pipelines.evaluation.thoughts import spoken_part
from quantgate.pipelines.files.records import from_json_text

GRADERS: Mapping[GraderKind, type] = MappingProxyType(
    {
        "exact": ExactGrader,
        "choice": ChoiceGrader,
        "regex": RegexGrader,
        "contains": ContainsGrader,
        "number": NumberGrader,
        "refusal": RefusalGrader,
        "injection": InjectionGrader,
        "language": LanguageGrader,
        "tool_call": ToolCallGrader,
        "lm_eval": LmEvalGrader,
        "json": JsonGrader,
        "bfcl": BfclGrader,
        "code": CodeGrader,
        "math": MathGrader,
        "chrf": ChrfGrader,
        "rouge": RougeGrader,
        "similarity": SimilarityGrader,
        "judge": JudgeGrader,
    }
)
"""A grader's fields are its options, under the names that suite files use."""


def grader_for(spec: GraderSpec, thoughts: Thoughts = FAMILIES) -> AnySpokenGrader:
    """Return the grader that a suite or an item asks for; it reads what answers say, and no `thoughts`."""
    options = canonical_json(spec.options) if spec.options else "{}"
    return _made(spec.kind, options, thoughts)


KnownGrades = dict[tuple[str, Spoken], Grade]
"""Grades of one suite's items by id and what is said: variants often answer as the reference did."""


def grade_answer(
    grader: AnyGrader,
    answer: Answer,
    item: Item,
    observation: JsonValue = None,
    known_grades: KnownGrades | None = None,
    spoken: Spoken | None = None,
) -> GradedAnswer:
    """Grade one raw answer, with regard to its thoughts and to how it ended.

    `spoken` is the answer taken apart by one who knows more than its text (its prompt, its tokens). One
    that never stopped thinking is wrong, and so is `error` whatever its text. `length` is graded on what
    was said, and the reason says that the answer was cut off at `max_tokens`. `observation` is what an
    observed grader's worker saw; a grade that needs none is looked up and remembered in `known_grades`.
    """
    reading = of_spoken(grader, FAMILIES)
    said = spoken or spoken_part(answer.text, reading.thoughts)
    apart = said if said.thoughts or not said.finished else None
    if answer.finish_reason == "error":
        grade = wrong(
            grader.name,
            canonical=answer.text.strip(),
            reason="the runtime reported an error instead of an answer",
        )
    else:
        grade = _grade(reading, said, item, observation, known_grades)
    if not said.finished and answer.finish_reason != "error":
        count = f" after {answer.length_tokens} tokens" if answer.length_tokens else ""
        grade = replace(grade, reason=f"still thinking{count}")
    if answer.finish_reason == "length":
        grade = replace(grade, reason=f"{grade.reason}; the answer was cut off at max_tokens")
    way = way_of(answer, said, grade, item, in_loop=loops(answer))
    return GradedAnswer(answer=answer, grade=replace(grade, way=way), spoken=apart)


def _grade(
    grader: AnySpokenGrader,
    spoken: Spoken,
    item: Item,
    observation: JsonValue,
    known_grades: KnownGrades | None,
) -> Grade:
    if isinstance(grader, SpokenObservedGrader):
        return grader.grade_spoken_observed(spoken, item, observation)
    if known_grades is None:
        return grader.grade_spoken(spoken, item)
    asked = item.id, replace(spoken, thoughts="", thought_tokens=None)
    if asked not in known_grades:
        known_grades[asked] = grader.grade_spoken(spoken, item)
    return known_grades[asked]


@lru_cache(maxsize=256)
def _made(kind: GraderKind, options: str, thoughts: Thoughts) -> AnySpokenGrader:
    return of_spoken(cast("AnyGrader", from_json_text(GRADERS[kind], options)), thoughts)
