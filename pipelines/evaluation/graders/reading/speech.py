"""What stands between every grader and an answer: graders read what is said, and no thoughts."""

from dataclasses import dataclass, replace

from quantgate.pipelines.domain.run import Grade
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.suites.thoughts import Spoken, Thoughts
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.graders.protocol import (
    AnyGrader,
    Grader,
    ObservedGrader,
    observes,
)
from quantgate.pipelines.evaluation.thoughts import spoken_part

_THINKING = "(still thinking)"
"""Canonical form of every answer that is a thought without an end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenGrader:
    """Hands a pure grader what an answer says; an answer that never stops thinking is wrong.

    Whoever knows more of an answer than its text takes it apart before, and asks `grade_spoken`.
    """

    inner: Grader
    thoughts: Thoughts

    @property
    def name(self) -> str:
        """The inner grader's name and version."""
        return self.inner.name

    def problem(self, item: Item) -> str | None:
        """Say why no answer could ever meet an item's expectation, or None where one could."""
        return self.inner.problem(item)

    def grade(self, answer_text: str, item: Item) -> Grade:
        """Judge an answer by what it says. Pure; never raises."""
        return self.grade_spoken(spoken_part(answer_text, self.thoughts), item)

    def grade_spoken(self, spoken: Spoken, item: Item) -> Grade:
        """Judge an answer that is taken apart already."""
        grade = self.inner.grade(spoken.text, item)
        return grade if spoken.finished else unfinished(grade)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenObservedGrader:
    """The same for a grader whose worker looks at answers: it is shown what they say."""

    inner: ObservedGrader
    thoughts: Thoughts

    @property
    def name(self) -> str:
        """The inner grader's name and version."""
        return self.inner.name

    @property
    def worker(self) -> str:
        """The inner grader's."""
        return self.inner.worker

    @property
    def options(self) -> JsonObject:
        """The inner grader's."""
        return self.inner.options

    def problem(self, item: Item) -> str | None:
        """Say why no answer could ever meet an item's expectation, or None where one could."""
        return self.inner.problem(item)

    def question(self, answer_text: str, item: Item) -> JsonValue:
        """Return what the worker is to look at for what an answer says."""
        return self.inner.question(spoken_part(answer_text, self.thoughts).text, item)

    def question_spoken(self, spoken: Spoken, item: Item) -> JsonValue:
        """Return the same for an answer that is taken apart already."""
        return self.inner.question(spoken.text, item)

    def grade_observed(self, answer_text: str, item: Item, observation: JsonValue) -> Grade:
        """Judge an answer by its observation. Never raises."""
        spoken = spoken_part(answer_text, self.thoughts)
        return self.grade_spoken_observed(spoken, item, observation)

    def grade_spoken_observed(self, spoken: Spoken, item: Item, observation: JsonValue) -> Grade:
        """Judge an answer that is taken apart already."""
        grade = self.inner.grade_observed(spoken.text, item, observation)
        return grade if spoken.finished else unfinished(grade)


AnySpokenGrader = SpokenGrader | SpokenObservedGrader


def of_spoken(grader: AnyGrader, thoughts: Thoughts) -> AnySpokenGrader:
    """Return a grader that reads no thoughts."""
    if isinstance(grader, AnySpokenGrader):
        return grader
    if observes(grader):
        return SpokenObservedGrader(inner=grader, thoughts=thoughts)
    return SpokenGrader(inner=grader, thoughts=thoughts)


def unfinished(grade: Grade) -> Grade:
    """Return the grade of an answer that was still thinking when it ended; `grade` is that of no text."""
    facets = tuple(replace(facet, score=0.0) for facet in grade.facets)
    return replace(
        grade,
        correct=False,
        score=0.0,
        canonical=_THINKING,
        reason="still thinking when it ended",
        facets=facets,
        way="still thinking",
    )
