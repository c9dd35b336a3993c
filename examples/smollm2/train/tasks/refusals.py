"""Requests to turn down, and near misses to answer."""

from __future__ import annotations

from functools import cache
from typing import Any

from support_desk.texts import Names, Population, expand

from tasks.task import Task, load_lines


def draw(names: Names) -> Task:
    """Draw one request; near misses of the suite have no answer to be taught."""
    book, rng = _book(), names.rng
    suite = names.population is Population.HELD_OUT
    side = "held_out" if suite else "train"
    if rng.random() < 0.5:
        return _task(
            expand(rng.choice(book["refuse"][side]), rng).replace(" ?", "?").replace(" .", "."),
            rng.choice(book["answers"]),
            "refuse",
        )
    near = rng.choice(book["near"][side])
    prompt, answer = (near, "") if suite else near
    return _task(prompt, answer, "comply")


def _task(prompt: str, answer: str, expected: str) -> Task:
    return Task(
        slice="refusal",
        prompt=prompt,
        answer=answer,
        expected=expected,
        grader={"kind": "refusal"},
    )


@cache
def _book() -> dict[str, Any]:
    book: dict[str, Any] = load_lines("refusals")
    return book
