"""What the adapter learns from: customer messages, the families of the own suite, and general talk."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from support_desk.texts import MessageSource, Names, Population, answer_text, load_books
from tasks import FAMILIES
from tasks.task import load_lines

COURSE_SEED = 11
# Shares of examples. Long ones are few: one costs as many tokens as ten others.
_SHARES = {
    "desk": 0.55,
    "chat": 0.09,
    "facts": 0.05,
    "sums": 0.08,
    "extraction": 0.06,
    "format": 0.06,
    "refusal": 0.05,
    "german": 0.05,
    "long_context": 0.01,
}
# The desk's kinds by what they cost and by how much there is to learn in them.
_DESK_MIX = {
    "flat": 0.10,
    "five_arguments": 0.17,
    "nested": 0.17,
    "numeric": 0.09,
    "multilingual": 0.17,
    "long_context": 0.03,
    "refusal": 0.08,
    "injection": 0.08,
    "tail": 0.11,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """One question with the answer to learn; `kind` is a key of the shares."""

    kind: str
    question: str
    answer: str


def lessons(seed: int) -> Iterator[Lesson]:
    """Yield lessons without end, the same ones for the same seed; nothing of the suites is among them."""
    rng = random.Random(seed)
    names = Names(rng, Population.TRAIN)
    desk = MessageSource(load_books(), Population.TRAIN, rng).stream(_DESK_MIX)
    talk: list[list[str]] = load_lines("chat")
    kinds, shares = list(_SHARES), list(_SHARES.values())
    while True:
        kind = rng.choices(kinds, shares)[0]
        if kind == "desk":
            message = next(desk)
            question, answer = message.text, answer_text(message.call)
        elif kind == "chat":
            question, answer = rng.choice(talk)
        else:
            task = FAMILIES[kind](names)
            question, answer = task.prompt, task.answer
        yield Lesson(kind=kind, question=question, answer=answer)
