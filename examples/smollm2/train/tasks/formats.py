"""The same words in a form that is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache

from support_desk.texts import Names

from tasks.task import Lines, Task, chosen, lines_for, load_lines, words_for

_FORMS: dict[str, Callable[[Sequence[str]], str]] = {
    "semicolons": "; ".join,
    "numbered": lambda words: "\n".join(f"{at}. {word}" for at, word in enumerate(words, 1)),
    "bullets": lambda words: "\n".join(f"- {word}" for word in words),
    "array": lambda words: json.dumps(list(words)),
    "quoted": lambda words: ", ".join(f'"{word}"' for word in words),
    "first": lambda words: words[0],
    "last": lambda words: words[-1],
    "joined": "-".join,
}


def draw(names: Names) -> Task:
    """Draw three to five words and a form."""
    things, book = _books()
    form = names.rng.choice(list(_FORMS))
    words = words_for(names, things, names.rng.randint(3, 5))
    answer = _FORMS[form](words)
    return Task(
        slice="format",
        prompt=chosen(
            names.rng, lines_for(book[form], names.population), {"words": ", ".join(words)}
        ),
        answer=answer,
        expected=answer,
        grader={"kind": "exact", "ignore": ["whitespace"]},
    )


@cache
def _books() -> tuple[list[str], dict[str, Lines]]:
    return load_lines("words")["things"], load_lines("formats")
