"""Several tests at once: Holm, "A simple sequentially rejective multiple test procedure",
Scandinavian Journal of Statistics 6, 65-70 (1979).
"""

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return the p-values adjusted for their number, in the order they came in.

    Rejecting what is adjusted to at most alpha keeps the probability of any false rejection at most alpha,
    however the tests depend on each other.
    """
    count = len(p_values)
    adjusted = [0.0] * count
    highest = 0.0
    for rank, index in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (count - rank) * p_values[index]))
        adjusted[index] = highest
    return tuple(adjusted)
