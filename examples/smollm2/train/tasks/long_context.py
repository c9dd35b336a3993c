"""One note of several to be found in a long text, asked for at its end."""

from __future__ import annotations

from functools import cache
from typing import Any

from support_desk.texts import Names, Population, expand, population_of

from tasks.task import Task, lines_for, load_lines

# Training sees short texts alone: a text of 4,000 tokens costs as much as sixty other examples.
_TRAINED_CHARACTERS = (300, 2200)
_NOTE = "The {object} is in the {room}, in drawer {code}."
_QUESTIONS = {
    Population.TRAIN: (
        "In which drawer is the {object}?",
        "What is the number of the drawer with the {object}?",
        "Where is the {object}? Give the number of the drawer.",
        "Which drawer has the {object} in it?",
        "The {object} is in a drawer. Which number does the drawer have?",
        "In what drawer does the {object} lie?",
    ),
    Population.HELD_OUT: (
        "Which drawer holds the {object}?",
        "The {object} lies in a drawer. What is its number?",
    ),
}


def draw(names: Names) -> Task:
    """Draw a text as long as those of training."""
    return draw_of_length(names, names.rng.randint(*_TRAINED_CHARACTERS))


def draw_of_length(names: Names, characters: int) -> Task:
    """Draw a text of about so many characters with three notes, and ask about one of them."""
    words, rng = _words(), names.rng
    objects = rng.sample(lines_for(words["objects"], names.population), 3)
    filler = lines_for(words["filler"], names.population)
    codes = [_code(names) for _ in objects]
    sentences: list[str] = []
    while sum(map(len, sentences)) + len(sentences) < characters - 220:
        sentences.append(expand(rng.choice(filler), rng))
    notes = [
        _NOTE.format(object=thing, room=rng.choice(words["rooms"]), code=code)
        for thing, code in zip(objects, codes, strict=True)
    ]
    for note in notes:
        sentences.insert(rng.randint(0, len(sentences)), note)
    side = Population.HELD_OUT if names.population is Population.HELD_OUT else Population.TRAIN
    question = rng.choice(_QUESTIONS[side]).format(object=objects[0])
    return Task(
        slice="long_context",
        prompt=f"{' '.join(sentences)}\n\n{question}",
        answer=notes[0],
        expected=str(codes[0]),
        grader={"kind": "contains", "words": True},
    )


def _code(names: Names) -> int:
    while True:
        code = names.rng.randint(100, 999)
        if population_of(f"drawer {code}") is names.population:
            return code


@cache
def _words() -> dict[str, Any]:
    words: dict[str, Any] = load_lines("words")
    return words
