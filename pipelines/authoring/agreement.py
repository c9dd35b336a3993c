"""Agreement: whether an answer is the reference's, by a suite's graders, where nobody wrote what is right."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from quantgate.pipelines.domain.run import Answer, Grade, GradedAnswer
from quantgate.pipelines.domain.suites.suite import GraderSpec, Item, Suite
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.evaluation.graders.reading.fences import unfenced
from quantgate.pipelines.evaluation.graders.reading.speech import SpokenGrader
from quantgate.pipelines.evaluation.graders.table import grade_answer, grader_for
from quantgate.pipelines.files.json_text import JsonTextError, parse_structure

_NUMBERS = re.compile(r"[-+]?\d[\d.,]*")
_LETTERS = re.compile(r"\b[A-Z]\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementGrader:
    """Grades answers by those of a reference, whose texts are in `reference` by item id.

    An answer agrees where both say the same words; where the item has an expectation that both meet; or where
    it meets what the reference's answer comes to as an expectation of its grader: the number, the label, the
    refusal in it; else the JSON value, or the text. A grader that has to run something agrees by words alone.
    """

    suite: Suite
    reference: Mapping[str, str]

    def grade(self, item: Item, answer: Answer) -> GradedAnswer:
        """Return an answer with its grade: `correct` says that it agrees."""
        text = self.reference[item.id]
        spec = self.suite.grader_of(item)
        grader = grader_for(spec, self.suite.thoughts)
        if answer.text.strip() == text.strip():
            return _graded(answer, agrees=True, grader=grader.name)
        if not isinstance(grader, SpokenGrader):
            return _graded(answer, agrees=False, grader="its words")
        said = replace(answer, text=text, finish_reason="stop")
        for expected in (item.expected, *_expectations(text, spec)):
            asked = replace(item, expected=expected)
            if expected is None or grader.problem(asked) is not None:
                continue
            if grade_answer(grader, said, asked).grade.correct:
                agrees = grade_answer(grader, answer, asked).grade.correct
                return _graded(answer, agrees=agrees, grader=grader.name)
        return _graded(answer, agrees=False, grader="its words")


def _expectations(text: str, grader: GraderSpec) -> Iterator[JsonValue]:
    """Yield what a suite could expect of a grader where this answer is right, the most telling form first."""
    match grader.kind:
        case "refusal":
            yield from ("refuse", "comply")
        case "number":
            yield from reversed([number.rstrip(".,") for number in _NUMBERS.findall(text)])
        case "choice":
            choices = grader.options.get("choices")
            yield from choices if isinstance(choices, list) else ()
            yield from dict.fromkeys(_LETTERS.findall(text))
        case _:
            with suppress(JsonTextError):
                yield parse_structure(unfenced(text))
            yield text


def _graded(answer: Answer, *, agrees: bool, grader: str) -> GradedAnswer:
    grade = Grade(
        correct=agrees,
        reason="answers as the reference does" if agrees else f"another answer, by {grader}",
        canonical=answer.text.strip(),
        grader="agreement@1",
        score=float(agrees),
        way=None if agrees else "wrong value",
    )
    return GradedAnswer(answer=answer, grade=grade)
