"""Short sums: two numbers below a hundred, bare or in a sentence; a pair of numbers has one population."""

from __future__ import annotations

from support_desk.texts import Names, Population, population_of

from tasks.task import Task

_ASKED = {
    "+": {
        Population.TRAIN: (
            "What is {a} + {b}?",
            "{a} + {b} = ?",
            "Add {a} and {b}.",
            "How much is {a} plus {b}?",
            "{name} has {a} apples and gets {b} more. How many apples does {name} have now?",
            "There are {a} people on a bus and {b} get on. How many are on the bus?",
        ),
        Population.HELD_OUT: (
            "Work out {a} + {b}.",
            "What do you get if you add {b} to {a}?",
            "{name} found {a} shells on Monday and {b} on Tuesday. How many shells are that together?",
        ),
    },
    "-": {
        Population.TRAIN: (
            "What is {a} - {b}?",
            "{a} - {b} = ?",
            "Take {b} from {a}.",
            "How much is {a} minus {b}?",
            "{name} has {a} apples and gives {b} away. How many apples are left?",
            "There are {a} people on a bus and {b} get off. How many stay on the bus?",
        ),
        Population.HELD_OUT: (
            "Work out {a} - {b}.",
            "What do you get if you take {b} away from {a}?",
            "{name} had {a} stamps and used {b} of them. How many stamps remain?",
        ),
    },
}


def draw(names: Names) -> Task:
    """Draw one sum; the answer says it whole: `47 + 8 = 55.`"""
    sign = names.rng.choice("+-")
    first, second = _numbers(names, sign)
    result = first + second if sign == "+" else first - second
    asked = _ASKED[sign][
        Population.HELD_OUT if names.population is Population.HELD_OUT else Population.TRAIN
    ]
    return Task(
        slice="sums",
        prompt=names.rng.choice(asked).format(a=first, b=second, name=names.person()),
        answer=f"{first} {sign} {second} = {result}.",
        expected=result,
        grader={"kind": "number", "unit": "ignored"},
    )


def _numbers(names: Names, sign: str) -> tuple[int, int]:
    """Draw two numbers: the second has one digit, or no place of the two carries or borrows."""
    while True:
        first, second = names.rng.randint(11, 98), names.rng.randint(2, 60)
        ones = first % 10 + second % 10 if sign == "+" else first % 10 - second % 10
        easy = second < 10 or 0 <= ones < 10
        in_range = first + second < 100 if sign == "+" else first > second
        if easy and in_range and population_of(f"{first}{sign}{second}") is names.population:
            return first, second
