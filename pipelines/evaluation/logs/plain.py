"""Plain JSON lines: an id and an answer a line, with whatever else is known."""

from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.logs.answers import LoggedAnswer, LoggedRun
from quantgate.pipelines.evaluation.logs.lines import json_lines, names_at, texts_at

TOOL = "JSON lines"
_IDS = ("id", "item_id", "question_id", "key")
_ANSWERS = ("answer", "output", "response", "completion", "prediction", "text")
_QUESTIONS = ("prompt", "question", "input")
_CORRECT = ("correct", "passed", "pass", "success")
_LABELS = ("slices", "slice", "category", "task")
_EXPECTED = ("expected", "target", "reference")


def read_plain(path: Path) -> LoggedRun:
    """Read lines such as `{"id": "q-1", "answer": "Paris", "correct": true}`.

    Raises:
        InputError: a line has no id or no answer.
    """
    answers = tuple(
        _answer(row, number, path) for number, row in enumerate(json_lines(path), start=1)
    )
    graded = any(answer.correct is not None for answer in answers)
    return LoggedRun(
        tool=TOOL,
        model=path.stem,
        grader="`correct` of each line" if graded else "",
        answers=answers,
        source=path,
    )


def _answer(row: JsonObject, number: int, path: Path) -> LoggedAnswer:
    name, said = _first(row, _IDS), _first(row, _ANSWERS)
    if name is None or said is None:
        missing, names = ("id", _IDS) if name is None else ("answer", _ANSWERS)
        raise InputError(
            f"line {number} has no {missing}: none of {', '.join(names)}",
            where=str(path),
            next_step="docs/verdicts.md says which logs are read",
        )
    correct = _first(row, _CORRECT)
    return LoggedAnswer(
        id=str(name),
        text=said if isinstance(said, str) else texts_at(said) or str(said),
        asked=texts_at(_first(row, _QUESTIONS) or ""),
        correct=bool(correct) if correct in (True, False) else None,
        slices=names_at(_first(row, _LABELS)),
        expected=_first(row, _EXPECTED),
    )


def _first(row: JsonObject, names: tuple[str, ...]) -> JsonValue:
    return next((row[name] for name in names if row.get(name) is not None), None)
