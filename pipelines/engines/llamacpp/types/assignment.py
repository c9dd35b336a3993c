"""One type for each group so that losses sum up to the least within a budget: a multiple-choice knapsack."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from quantgate.pipelines.domain.errors import InputError

_MOST_UNITS = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeChoice:
    """One type that a group may get: what it costs and what it loses."""

    type: str
    bits: int
    loss: float


def assign(groups: Sequence[Sequence[TypeChoice]], budget_bits: float) -> tuple[TypeChoice, ...]:
    """Return one choice for each group: least sum of losses with a sum of bits within the budget.

    Exact (dynamic programming over the budget) in units of the greatest common divisor of all costs, or of
    1/200,000 of the budget where that is coarser; costs are rounded up, so the budget always holds. Equal
    sums go to the choice that comes first.

    Raises:
        InputError: where even the cheapest choices together are above the budget.
    """
    unit = math.gcd(*(choice.bits for choices in groups for choice in choices))
    unit = max(unit, math.ceil(budget_bits / _MOST_UNITS))
    room = int(budget_bits // unit)
    best = numpy.zeros(room + 1)
    taken = []
    for choices in groups:
        rows = numpy.full((len(choices), room + 1), numpy.inf)
        for row, choice in zip(rows, choices, strict=True):
            cost = -(-choice.bits // unit)
            if cost <= room:
                row[cost:] = best[: room + 1 - cost] + choice.loss
        taken.append(rows.argmin(axis=0))
        best = rows.min(axis=0)
    if not numpy.isfinite(best[room]):
        raise InputError(
            "the cheapest types of all groups together are above the size budget",
            next_step="raise the recipe's `bits_per_weight`",
        )
    chosen: list[TypeChoice] = []
    for choices, indices in zip(reversed(groups), reversed(taken), strict=True):
        choice = choices[int(indices[room])]
        chosen.append(choice)
        room -= -(-choice.bits // unit)
    return tuple(reversed(chosen))
