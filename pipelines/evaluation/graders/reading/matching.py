"""Pairing what was found with what was expected so that most of it is right."""

from collections.abc import Sequence

MOST = 64
"""Of longer lists only the first so many are paired: the time grows with the cube."""


def best_pairs(weights: Sequence[Sequence[float]]) -> list[int | None]:
    """Return for each row its column in a pairing of the greatest total weight; None where it has none.

    `weights` are rows x columns, none below 0. Kuhn and Munkres' assignment by shortest augmenting paths
    with potentials (Jonker and Volgenant 1987), rows^2 x columns steps.
    """
    columns = max(map(len, weights), default=0)
    if not columns:
        return [None] * len(weights)
    width = max(columns, len(weights))
    padding = [0.0] * (width - columns)
    costs = [[-weight for weight in (*row, *padding)] for row in weights]
    owner = _assigned(costs, width)
    pairs: list[int | None] = [None] * len(weights)
    for column in range(columns):
        if owner[column] is not None:
            pairs[owner[column] or 0] = column
    return pairs


def _assigned(costs: Sequence[Sequence[float]], width: int) -> list[int | None]:
    """Return the row of every column at the least total cost; there are as many columns or more."""
    free = width  # a column that stands for the row which is being added
    row_potential = [0.0] * len(costs)
    column_potential = [0.0] * (width + 1)
    owner: list[int | None] = [None] * (width + 1)
    for row in range(len(costs)):
        owner[free] = row
        column, came_from = free, [free] * width
        distance, done = [float("inf")] * width, [False] * (width + 1)
        while (current := owner[column]) is not None:
            done[column] = True
            for other in range(width):
                if not done[other]:
                    reduced = (
                        costs[current][other] - row_potential[current] - column_potential[other]
                    )
                    if reduced < distance[other]:
                        distance[other], came_from[other] = reduced, column
            nearest = min((o for o in range(width) if not done[o]), key=distance.__getitem__)
            step = distance[nearest]
            for other in range(width + 1):
                if done[other]:
                    row_potential[owner[other] or 0] += step
                    column_potential[other] -= step
                elif other < width:
                    distance[other] -= step
            column = nearest
        while column != free:
            owner[column] = owner[came_from[column]]
            column = came_from[column]
        owner[free] = None
    return owner
