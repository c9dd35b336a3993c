"""Child process: lets lm-evaluation-harness score answers by its tasks' own filters and metrics."""

import json
from pathlib import Path
from typing import Any

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.lm_eval_messages import LmEvalTask
from quantgate.pipelines.evaluation.observing import ObserveCall, ObserveTally
from quantgate.pipelines.evaluation.workers.lm_eval_tasks import load_tasks
from quantgate.pipelines.files.records import from_json
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve


def observe(call: ObserveCall, on_progress: OnProgress) -> ObserveTally:
    """Write each answer's metrics by filter, `{"filter": {"metric": value}}`.

    Raises:
        InputError: where the task cannot be loaded any more.
    """
    spec = from_json(LmEvalTask, call.options["task"])
    tasks = load_tasks(spec)
    rows = [json.loads(line) for line in call.questions.read_text(encoding="utf-8").splitlines()]
    observed_ids = _observed_ids(call.observations)
    with call.observations.open("a", encoding="utf-8") as file:
        for number, row in enumerate(rows, start=1):
            if row["id"] not in observed_ids:
                asked = row["question"]
                seen = _score(tasks[asked["task"]], asked["doc"], asked["answer"])
                file.write(json.dumps({"id": row["id"], "observation": seen}) + "\n")
            on_progress(Progress(done=number, total=len(rows), what="scoring"))
    return ObserveTally(observed=len(rows) - len(observed_ids))


def _score(task: Any, doc: JsonObject, answer: str) -> JsonObject:
    """Filters and metrics are fed one document at a time: neither looks at others."""
    scores: JsonObject = {}
    for ensemble in task._filters:  # the harness has no public way to filter one answer
        instance = task.construct_requests(doc=doc, ctx="", metadata=(None, 0, 1))
        instance.resps = [answer]
        ensemble.apply([instance])
        metrics = task.process_results(doc, [instance.filtered_resps[ensemble.name]])
        scores[ensemble.name] = {name: _number(value) for name, value in metrics.items()}
    return scores


def _number(value: object) -> JsonValue:
    """Metrics of a single document are numbers; what only makes sense over all of them is left out."""
    try:
        return float(value)  # type: ignore[arg-type]  # numpy numbers and booleans among them
    except (TypeError, ValueError):
        return None


def _observed_ids(observations: Path) -> set[str]:
    lines = observations.read_text(encoding="utf-8").split("\n") if observations.exists() else []
    return {json.loads(line)["id"] for line in lines if line}


if __name__ == "__main__":
    serve(observe, ObserveCall)
