"""Fields of a short text as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from support_desk.texts import Names, expand

from tasks.task import AGES, Json, Task, filled, lines_for, load_lines

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def draw(names: Names) -> Task:
    """Draw one text with the object that it holds."""
    book, words = _books()
    kind = book[names.rng.choice(list(book))]
    values = _values(names, words)
    text = filled(expand(names.rng.choice(lines_for(kind, names.population)), names.rng), values)
    asked = names.rng.choice(lines_for(kind["asks"], names.population))
    expected: Json = {key: values[slot] for key, slot in kind["fields"].items()}
    return Task(
        slice="extraction",
        prompt=f"{asked}: {text}",
        answer=json.dumps(expected, separators=(",", ":")),
        expected=expected,
        grader={"kind": "json"},
    )


def _values(names: Names, words: Mapping[str, list[str]]) -> dict[str, str | int]:
    rng = names.rng
    return {
        "name": names.person(),
        "city": names.city(),
        "order_id": names.order_id(),
        "age": rng.randint(*AGES),
        "day": rng.choice(_DAYS),
        "time": names.clock(),
        "room": rng.choice(words["rooms"]),
        "thing": rng.choice(words["things"]),
        "count": rng.randint(2, 60),
        "price": rng.randint(3, 250),
    }


@cache
def _books() -> tuple[dict[str, Any], dict[str, list[str]]]:
    return load_lines("extraction"), load_lines("words")
