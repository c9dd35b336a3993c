"""A second language: one German text, one question about it."""

from __future__ import annotations

from functools import cache
from typing import Any

from support_desk.texts import Names, expand

from tasks.task import AGES, Task, filled, lines_for, load_lines

_ASKED_FOR = {"city": "city", "age": "age", "time": "time", "person": "name"}


def draw(names: Names) -> Task:
    """Draw one text with its question."""
    book, rng = _book(), names.rng
    kind = rng.choice(list(book))
    values = {
        "name": names.person(),
        "city": names.city(),
        "age": rng.randint(*AGES),
        "years": rng.randint(2, 12),
        "time": names.clock(),
    }
    line = expand(rng.choice(lines_for(book[kind], names.population)), rng)
    return Task(
        slice="german",
        prompt=filled(line, values),
        answer=filled(book[kind]["answer"], values),
        expected=str(values[_ASKED_FOR[kind]]),
        grader={"kind": "contains", "words": True},
    )


@cache
def _book() -> dict[str, Any]:
    book: dict[str, Any] = load_lines("german")
    return book
