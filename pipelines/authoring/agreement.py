"""Agreement: whether an answer is the reference's, by a suite's graders, where nobody wrote what is right."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from quantgate.pipelines.domain.run import Answer, Grade, GradedAnswer
from quantgate.pipelines.domain.suites.suite import Item, Suite
from quantgate.pipelines.evaluation.graders.reading.speech import SpokenGrader
from quantgate.pipelines.evaluation.graders.table import grade_answer, grader_for


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementGrader:
    """Grades answers by those of a reference, whose texts are in `reference` by item id.

    An answer agrees where the item's grader takes the reference's answer as an expectation and is met; else
    where both have the same canonical form. A grader that has to run something agrees by words alone.
    """

    suite: Suite
    reference: Mapping[str, str]

    def grade(self, item: Item, answer: Answer) -> GradedAnswer:
        """Return an answer with its grade: `correct` says that it agrees."""
        text = self.reference[item.id]
        if answer.text.strip() == text.strip():
            return _graded(answer, agrees=True, name="words", canonical=text.strip())
        grader = grader_for(self.suite.grader_of(item), self.suite.thoughts)
        if not isinstance(grader, SpokenGrader):
            return _graded(answer, agrees=False, name="words", canonical=answer.text.strip())
        by_reference = replace(item, expected=text)
        said = replace(answer, text=text, finish_reason="stop")
        usable = grader.problem(by_reference) is None
        if usable and grade_answer(grader, said, by_reference).grade.correct:
            grade = grade_answer(grader, answer, by_reference).grade
            return _graded(
                answer, agrees=grade.correct, name=grade.grader, canonical=grade.canonical
            )
        first = grade_answer(grader, said, item).grade
        second = grade_answer(grader, answer, item).grade
        return _graded(
            answer,
            agrees=first.canonical == second.canonical,
            name=second.grader,
            canonical=second.canonical,
        )


def _graded(answer: Answer, *, agrees: bool, name: str, canonical: str) -> GradedAnswer:
    grade = Grade(
        correct=agrees,
        reason="answers as the reference does" if agrees else f"another answer, by {name}",
        canonical=canonical,
        grader="agreement@1",
        score=float(agrees),
        way=None if agrees else "wrong value",
    )
    return GradedAnswer(answer=answer, grade=grade)
