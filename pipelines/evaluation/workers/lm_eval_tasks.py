"""Tasks of lm-evaluation-harness 0.4.13 through its own API; imported in child processes only."""

from collections.abc import Iterator
from typing import Any

from lm_eval.tasks import TaskManager

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.evaluation.lm_eval_messages import LmEvalTask
from quantgate.pipelines.process.endings.last_words import words_of

_SHOT_SEED = 1234
"""The harness's own default, so that the examples in a prompt are those of published runs."""
_GENERATES = "generate_until"


def load_tasks(spec: LmEvalTask) -> dict[str, Any]:
    """Return the harness's task objects by name; a group gives all of its leaves.

    Raises:
        InputError: where no task has that name, it cannot be loaded, or it is of a kind we cannot ask.
    """
    manager = TaskManager(include_path=str(spec.include) if spec.include else None)
    if spec.name not in manager.all_tasks:
        raise InputError(
            f"lm-evaluation-harness has no task '{spec.name}'",
            where=f"lm-eval:{spec.name}",
            next_step="`lm_eval ls tasks` lists them; --include names a folder of your own tasks",
        )
    try:
        tasks = dict(_leaves(manager.load_task_or_group([spec.name])))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(
            f"the task cannot be loaded ({words_of(error)})",
            where=f"lm-eval:{spec.name}",
            next_step="check that its dataset can be reached, or is in the datasets cache",
        ) from error
    for name, task in tasks.items():
        _prepare(name, task, spec)
    return tasks


def _leaves(tree: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    for name, task in tree.items():
        if isinstance(task, dict):
            yield from _leaves(task)
        else:
            yield str(name), task


def _prepare(name: str, task: Any, spec: LmEvalTask) -> None:
    if task.OUTPUT_TYPE != _GENERATES:
        raise InputError(
            f"task '{name}' scores log-probabilities ({task.OUTPUT_TYPE}), which is not asked here: "
            "variants are judged on what they say",
            where=f"lm-eval:{spec.name}",
            next_step="take the generative form of the task, e.g. `mmlu_generative` for `mmlu`",
        )
    if (task.get_config("repeats") or 1) > 1:
        raise InputError(
            f"task '{name}' takes several answers a document together",
            where=f"lm-eval:{spec.name}",
            next_step="take the variant of the task with one answer",
        )
    if spec.shots is not None:
        task.set_config(key="num_fewshot", value=spec.shots)
    elif task.get_config("num_fewshot") is None:
        task.set_config(key="num_fewshot", value=0)
    task.set_fewshot_seed(seed=_SHOT_SEED)
