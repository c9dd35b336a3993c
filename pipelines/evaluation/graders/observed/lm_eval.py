"""Grades by what a task of lm-evaluation-harness itself makes of an answer."""

from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.run import Facet, Grade
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.graders.reading.grades import scored, wrong
from quantgate.pipelines.evaluation.lm_eval_messages import LmEvalTask
from quantgate.pipelines.files.records import to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class LmEvalGrader:
    """The task's own metric on one document.

    `filter` and `metric` name what decides; None takes the task's first. An answer is right from
    `threshold` on; metrics that are not 0 to 1 or better when lower cannot decide.
    """

    task: str
    include: str | None = None
    filter: str | None = None
    metric: str | None = None
    threshold: float = 1.0

    @property
    def name(self) -> str:
        """Name and version."""
        return "lm_eval@2"

    @property
    def worker(self) -> str:
        """The module that scores answers with the harness's own metrics."""
        return "quantgate.pipelines.evaluation.workers.lm_eval_observe"

    @property
    def options(self) -> JsonObject:
        """The task that the worker loads."""
        include = Path(self.include) if self.include else None
        return {"task": to_json(LmEvalTask(name=self.task, include=include))}

    def problem(self, item: Item) -> str | None:
        """Say why the item is no document of a task, or None."""
        expected = item.expected
        if isinstance(expected, dict) and isinstance(expected.get("doc"), dict):
            return None
        return "it is no document of an lm-eval task: import the task with `quantgate suite import`"

    def question(self, answer_text: str, item: Item) -> JsonValue:
        """Return document and answer."""
        expected = item.expected if isinstance(item.expected, dict) else {}
        return {**expected, "answer": answer_text}

    def grade_observed(
        self,
        answer_text: str,
        item: Item,  # noqa: ARG002 – the task has seen it
        observation: JsonValue,
    ) -> Grade:
        """Grade by the metric that decides; the others are facets. Never raises."""
        canonical = answer_text.strip()
        scores = self._scores(observation)
        if not scores:
            return wrong(self.name, canonical=canonical, reason="the task gave no score")
        metric = self.metric or next(iter(scores))
        value = scores.get(metric)
        if value is None or not 0.0 <= value <= 1.0:
            reason = f"the task gave no {metric} between 0 and 1"
            return wrong(self.name, canonical=canonical, reason=reason)
        return scored(
            self.name,
            score=value,
            correct=value >= self.threshold,
            canonical=canonical,
            reason=f"{metric} is {value:g}",
            facets=tuple(Facet(name=name, score=score) for name, score in scores.items()),
        )

    def _scores(self, observation: JsonValue) -> dict[str, float]:
        if not isinstance(observation, dict) or not observation:
            return {}
        metrics = observation.get(self.filter or next(iter(observation)))
        if not isinstance(metrics, dict):
            return {}
        return {name: float(v) for name, v in metrics.items() if isinstance(v, int | float)}
