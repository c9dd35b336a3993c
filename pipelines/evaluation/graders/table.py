"""Which grader stands behind which name, and how an answer's end bears on its grade."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import cast

from pipelines.domain.run import Answer, Grade, GradedAnswer
from pipelines.domain.suite import GraderKind, GraderSpec, Item
from pipelines.domain.values import JsonValue, canonical_json
from pipelines.evaluation.graders.bfcl import BfclGrader
from pipelines.evaluation.graders.choice import ChoiceGrader
from pipelines.evaluation.graders.chrf import ChrfGrader
from pipelines.evaluation.graders.code import CodeGrader
from pipelines.evaluation.graders.contains import ContainsGrader
from pipelines.evaluation.graders.exact import ExactGrader
from pipelines.evaluation.graders.grades import wrong
from pipelines.evaluation.graders.injection import InjectionGrader
from pipelines.evaluation.graders.json_answer import JsonGrader
from pipelines.evaluation.graders.judge import JudgeGrader
from pipelines.evaluation.graders.language import LanguageGrader
from pipelines.evaluation.graders.lm_eval import LmEvalGrader
from pipelines.evaluation.graders.math import MathGrader
from pipelines.evaluation.graders.number import NumberGrader
from pipelines.evaluation.graders.protocol import AnyGrader, observes
from pipelines.evaluation.graders.refusal import RefusalGrader
from pipelines.evaluation.graders.regex import RegexGrader
from pipelines.evaluation.graders.rouge import RougeGrader
from pipelines.evaluation.graders.similarity import SimilarityGrader
from pipelines.evaluation.graders.tool_call import ToolCallGrader
from pipelines.files.records import from_json

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


def grader_for(spec: GraderSpec) -> AnyGrader:
    """Return the grader that a suite or an item asks for."""
    return _made(spec.kind, canonical_json(spec.options) if spec.options else "{}")


KnownGrades = dict[tuple[str, str], Grade]
"""Grades of one suite's items by id and text: variants often answer word for word as the reference did."""


def grade_answer(
    grader: AnyGrader,
    answer: Answer,
    item: Item,
    observation: JsonValue = None,
    known: KnownGrades | None = None,
) -> GradedAnswer:
    """Grade one raw answer, with regard to how it ended.

    `error` is wrong whatever its text. `length` is graded on its text, and the reason says that the
    answer was cut off at `max_tokens`. `observation` is what an observed grader's worker saw; a grade that
    needs none is looked up in `known`, and remembered there.
    """
    if answer.finish_reason == "error":
        refused = wrong(
            grader.name,
            canonical=answer.text.strip(),
            reason="the runtime reported an error instead of an answer",
        )
        return GradedAnswer(answer=answer, grade=refused)
    grade = _grade(grader, answer, item, observation, known)
    if answer.finish_reason == "length":
        grade = replace(grade, reason=f"{grade.reason}; the answer was cut off at max_tokens")
    return GradedAnswer(answer=answer, grade=grade)


def _grade(
    grader: AnyGrader,
    answer: Answer,
    item: Item,
    observation: JsonValue,
    known: KnownGrades | None,
) -> Grade:
    if observes(grader):
        return grader.grade_observed(answer.text, item, observation)
    if known is None:
        return grader.grade(answer.text, item)
    asked = item.id, answer.text
    if asked not in known:
        known[asked] = grader.grade(answer.text, item)
    return known[asked]


@lru_cache(maxsize=256)
def _made(kind: GraderKind, options: str) -> AnyGrader:
    return cast("AnyGrader", from_json(GRADERS[kind], json.loads(options)))
