"""Short sums: two numbers of two digits, bare or in a sentence; a pair of numbers has one population.

No digit carries or borrows, so a sum is one sum for each place, and that is how the answer goes about it.
"""

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
            "Work out the sum of {a} and {b}.",
            "What do you get if {b} is added to {a}?",
            "{name} found {a} coins on Friday and {b} on Sunday. How many coins are that?",
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
            "Work out {a} minus {b}.",
            "What do you get if {b} is taken from {a}?",
            "What is left if you take {b} away from {a}?",
            "{name} had {a} cards and used {b} of them. How many cards are left?",
        ),
        Population.HELD_OUT: (
            "Work out {a} - {b}.",
            "What do you get if you take {b} away from {a}?",
            "{name} had {a} stamps and used {b} of them. How many stamps remain?",
        ),
    },
}


def draw(names: Names) -> Task:
    """Draw one sum; the answer takes place by place: `47 + 22: 4 + 2 = 6, 7 + 2 = 9, so 69.`"""
    sign = names.rng.choice("+-")
    first, second = _numbers(names, sign)
    result = first + second if sign == "+" else first - second
    asked = _ASKED[sign][
        Population.HELD_OUT if names.population is Population.HELD_OUT else Population.TRAIN
    ]
    return Task(
        slice="sums",
        prompt=names.rng.choice(asked).format(a=first, b=second, name=names.person()),
        answer=_worked_out(first, sign, second, result),
        expected=result,
        grader={"kind": "number", "unit": "ignored"},
    )


def _worked_out(first: int, sign: str, second: int, result: int) -> str:
    """Say a sum place by place."""
    places = zip(str(first), str(second), str(result), strict=True)
    steps = ", ".join(f"{above} {sign} {below} = {digit}" for above, below, digit in places)
    return f"{first} {sign} {second}: {steps}, so {result}."


def _numbers(names: Names, sign: str) -> tuple[int, int]:
    """Draw two numbers of two digits, so that no place carries or borrows and the result has two as well."""
    while True:
        first, second = names.rng.randint(11, 98), names.rng.randint(11, 79)
        ones = first % 10 + second % 10 if sign == "+" else first % 10 - second % 10
        result = first + second if sign == "+" else first - second
        in_range = 0 <= ones < 10 and 10 <= result < 100
        if in_range and population_of(f"{first}{sign}{second}") is names.population:
            return first, second
