"""What the adapter learns from: customer messages, the families of the own suite, and general talk."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from support_desk.texts import MessageSource, Names, Population, answer_text, load_books
from tasks import FAMILIES
from tasks.task import load_lines

COURSE_SEED = 11
SECOND_COURSE_SEED = 12
THIRD_COURSE_SEED = 13
# Shares of examples. Long ones are few: one costs as many tokens as ten others.
SHARES = {
    "desk": 0.32,
    "chat": 0.05,
    "facts": 0.06,
    "sums": 0.14,
    "extraction": 0.12,
    "format": 0.14,
    "refusal": 0.07,
    "german": 0.06,
    "long_context": 0.04,
}
# Each later course has more of what those before it left weak.
SECOND_SHARES = {
    "desk": 0.30,
    "chat": 0.03,
    "facts": 0.03,
    "sums": 0.22,
    "extraction": 0.18,
    "format": 0.06,
    "refusal": 0.09,
    "german": 0.04,
    "long_context": 0.05,
}
THIRD_SHARES = {
    "desk": 0.25,
    "chat": 0.03,
    "facts": 0.04,
    "sums": 0.33,
    "extraction": 0.08,
    "format": 0.07,
    "refusal": 0.06,
    "german": 0.05,
    "long_context": 0.09,
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


def lessons(seed: int, shares: Mapping[str, float]) -> Iterator[Lesson]:
    """Yield lessons of these kinds without end, the same ones for the same seed, none of a suite's items."""
    rng = random.Random(seed)
    names = Names(rng, Population.TRAIN)
    desk = MessageSource(load_books(), Population.TRAIN, rng).stream(_DESK_MIX)
    talk: list[list[str]] = load_lines("chat")
    kinds, weights = list(shares), list(shares.values())
    while True:
        kind = rng.choices(kinds, weights)[0]
        if kind == "desk":
            message = next(desk)
            question, answer = message.text, answer_text(message.call)
        elif kind == "chat":
            question, answer = rng.choice(talk)
        else:
            task = FAMILIES[kind](names)
            question, answer = task.prompt, task.answer
        yield Lesson(kind=kind, question=question, answer=answer)
