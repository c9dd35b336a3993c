"""Logs of lm-evaluation-harness: what `--log_samples` writes, `samples_<task>_<date>.jsonl` a task."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.logs.answers import LoggedAnswer, LoggedRun
from quantgate.pipelines.evaluation.logs.lines import json_lines

TOOL = "lm-evaluation-harness"
_NAME = re.compile(r"samples_(?P<task>.+?)_\d{4}-\d\d-\d\dT.*")


def is_lm_eval(row: JsonObject) -> bool:
    """Whether a line is one of the harness's samples."""
    return {"doc_id", "resps", "filter"} <= row.keys()


def sample_files(folder: Path) -> tuple[Path, ...]:
    """Return the newest file of every task below a folder that `--output_path` named.

    Raises:
        InputError: files of several models lie there, each in the folder of its model.
    """
    logs = sorted(folder.rglob("samples_*.jsonl"), key=_date)
    models = sorted({path.parent.name for path in logs})
    if len(models) > 1:
        raise InputError(
            f"holds logs of several models: {', '.join(models)}",
            where=str(folder),
            next_step="name the folder of one of them",
        )
    newest = {_task(path): path for path in logs}
    return tuple(newest[task] for task in sorted(newest))


def read_lm_eval(files: tuple[Path, ...], source: Path) -> LoggedRun:
    """Read the samples of some tasks; of several filters the first is taken.

    What tells right from wrong is chosen once a file: the first metric that is 0 or 1 in all of its rows.

    Raises:
        InputError: a line is none of the harness's.
    """
    answers: list[LoggedAnswer] = []
    graders: dict[str, None] = {}
    for path in files:
        task, several = _task(path), len(files) > 1
        rows = tuple(_of_first_filter(path))
        metric = _deciding_metric(rows)
        for row in rows:
            answers.append(_answer(row, metric, task, f"{task}:" if several else "", path))
        if metric:
            graders.setdefault(f"{metric} ({rows[0]['filter']})")
    return LoggedRun(
        tool=TOOL,
        model=files[0].parent.name,
        grader=", ".join(graders),
        answers=tuple(answers),
        source=source,
    )


def _of_first_filter(path: Path) -> Iterator[JsonObject]:
    first: JsonValue = None
    for row in json_lines(path):
        if not is_lm_eval(row):
            raise InputError(
                "holds lines that are no samples of lm-eval",
                where=str(path),
                next_step="name the samples_*.jsonl that `--log_samples` wrote",
            )
        first = first or row["filter"]
        if row["filter"] == first:
            yield row


def _deciding_metric(rows: Sequence[JsonObject]) -> str:
    """Return the first metric that says right or wrong of every row; "" where none does."""
    metrics = rows[0].get("metrics") if rows else None
    names = [str(name) for name in metrics] if isinstance(metrics, list) else []
    return next((name for name in names if all(row.get(name) in (0, 1) for row in rows)), "")


def _answer(row: JsonObject, metric: str, task: str, prefix: str, path: Path) -> LoggedAnswer:
    return LoggedAnswer(
        id=f"{prefix}{row['doc_id']}",
        text=_said(row["resps"], path),
        asked=str(row.get("prompt_hash", "")),
        correct=bool(row[metric]) if metric else None,
        reason=f"{metric} {row[metric]}" if metric else "",
        slices=(task,),
        expected=row.get("target"),
    )


def _said(answers: JsonValue, path: Path) -> str:
    """What was generated; of a choice by likelihood the number of the likeliest option."""
    said = answers if isinstance(answers, list) else []
    firsts = [part[0] if isinstance(part, list) and part else part for part in said]
    if firsts and isinstance(firsts[0], str):
        return firsts[0]
    if firsts and all(isinstance(part, list | dict) and part for part in firsts):
        scores = [_likelihood(part) for part in firsts]
        return str(max(range(len(scores)), key=scores.__getitem__))
    raise InputError(
        "an answer is neither a text nor a choice by likelihood",
        where=str(path),
        next_step="leave this task out: its answers cannot be paired",
    )


def _likelihood(part: JsonValue) -> float:
    value = (
        part[0]
        if isinstance(part, list)
        else next(iter(cast("Mapping[str, JsonValue]", part).values()))
    )
    return float(cast("str | float", value))


def _task(path: Path) -> str:
    named = _NAME.fullmatch(path.stem)
    return named["task"] if named else path.stem.removeprefix("samples_")


def _date(path: Path) -> str:
    return path.stem.rpartition("_")[2]
