"""Facts that a small model may know: asked about other things in the suite than in training."""

from __future__ import annotations

from functools import cache
from typing import Any

from support_desk.texts import Names, Population

from tasks.task import Task, lines_for, load_lines


def draw(names: Names) -> Task:
    """Draw one fact."""
    book = _book()
    kind = book[names.rng.choice(list(book))]
    suite = names.population is Population.HELD_OUT
    subjects = [
        subject for subject in kind["pairs"] if (subject in kind.get("held_out_pairs", ())) is suite
    ]
    subject = names.rng.choice(subjects)
    answers = kind["pairs"][subject]
    answers = answers if isinstance(answers, list) else [answers]
    return Task(
        slice="facts",
        prompt=names.rng.choice(lines_for(kind, names.population)).format(subject),
        answer=kind["answer"].format(subject, answers[0]),
        expected=answers,
        grader={"kind": "contains", "words": True, "case": False},
    )


@cache
def _book() -> dict[str, Any]:
    book: dict[str, Any] = load_lines("facts")
    return book
