"""What a grader is.

A grader is a frozen dataclass made from a suite's options. Most are pure: text and item in, grade out. An
observed one needs something measured first that is not a pure function of text (tests run in a sandbox,
a formula checked, a judge asked): a child process makes an observation of every answer, the observations
are sealed beside the run, and grading reads them from there.
"""

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from quantgate.pipelines.domain.run import Grade
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.values import JsonObject, JsonValue

if TYPE_CHECKING:
    from typing_extensions import TypeIs


class Grader(Protocol):
    """Judges answers. Anything that changes a judgement changes the version in `name`."""

    @property
    def name(self) -> str:
        """Name and version, e.g. `tool_call@1`; it travels with every grade."""
        ...

    def problem(self, item: Item) -> str | None:
        """Say why no answer could ever meet an item's expectation, or None where one could."""
        ...

    def grade(self, answer_text: str, item: Item) -> Grade:
        """Judge an answer. Pure; never raises on anything a model can say."""
        ...


class Observer(Protocol):
    """Anything that a child process observes, as `ObservationRunner` wants to know it."""

    @property
    def name(self) -> str:
        """Name and version; a change of the observing worker is another observation, not another name."""
        ...

    @property
    def worker(self) -> str:
        """The module that serves `ObserveCall`; an observation depends on it and on all that it reaches."""
        ...

    @property
    def options(self) -> JsonObject:
        """What the worker is told besides the questions; it is part of an observation's identity."""
        ...


@runtime_checkable
class ObservedGrader(Observer, Protocol):
    """Judges answers by what a child process observed of them; see `pipelines.evaluation.observing`."""

    def problem(self, item: Item) -> str | None:
        """Say why no answer could ever meet an item's expectation, or None where one could."""
        ...

    def question(self, answer_text: str, item: Item) -> JsonValue:
        """Return what the worker is to look at for one answer."""
        ...

    def grade_observed(self, answer_text: str, item: Item, observation: JsonValue) -> Grade:
        """Judge an answer by its observation; `None` says that it could not be observed. Never raises."""
        ...


AnyGrader = Grader | ObservedGrader


def observes(grader: AnyGrader) -> "TypeIs[ObservedGrader]":
    """Whether a grader is an observed one. `isinstance` of a protocol takes longer than most grades."""
    return hasattr(grader, "grade_observed")
