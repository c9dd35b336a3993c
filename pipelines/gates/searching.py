"""What a search tries next, given what became of what it tried.

It parts the recipes by what they cost until one that passed stands beside a cheaper one that did not, and
goes on with the mixes between the two, the largest first, until one does not pass. Who fails is ended early
and costs less than who passes, so it parts them below the middle. Which recipes it looks at
depends on the answers; the error rate does not: there are as many sequences as recipes, fixed beforehand,
each is tested at its equal share of the error (`Policy.error_shares`), and within a sequence nothing is
tested behind what did not pass. docs/verdicts.md has the proof.

Speed orders quality still less than size does: there it asks the fastest first, until one passes.
"""

from collections.abc import Mapping
from functools import cache

from quantgate.pipelines.domain.search import Search, SearchCandidate

_LOSER_COSTS = 0.39
"""What is asked of a variant that fails, before it is ended, beside one that passes: 45 of 115 items."""


def next_candidate(search: Search, passed: Mapping[str, bool]) -> SearchCandidate | None:
    """Return what is to be tried next; None where the search is over.

    `passed` says of every candidate tried so far, by identifier, whether it passed.
    """
    recipes = [sequence[0] for sequence in search.sequences]
    passing, failing = -1, len(recipes)
    while failing - passing > 1:
        middle = passing + 1 + parting(failing - passing - 1)
        outcome = passed.get(recipes[middle].identifier)
        if outcome is None:
            return recipes[middle]
        if outcome:
            passing = middle
        else:
            failing = middle
    if passing < 0:
        return None
    return _next_mix(search.sequences[passing], passed)


def fastest_candidate(
    search: Search, passed: Mapping[str, bool], speeds: Mapping[str, float]
) -> SearchCandidate | None:
    """Return the fastest that was not tried, by tokens a second; None where one passed or none is left.

    Candidates without a speed are never tried.
    """
    if any(passed.values()):
        return None
    left = [c for c in search.candidates if c.identifier in speeds and c.identifier not in passed]
    return max(left, key=lambda candidate: speeds[candidate.identifier], default=None)


def parting(recipes: int) -> int:
    """Return which of so many recipes, the largest first, to try next: the one with which least is expected.

    How many of them pass, from none to all, is taken to be equally likely.
    """
    for fewer in range(recipes):
        _cheapest(fewer)  # from the fewest on: each then needs no more than is known
    return _cheapest(recipes)[1]


@cache
def _cheapest(recipes: int) -> tuple[float, int]:
    """Return what is expected to be asked of so many recipes, in runs of the suite, and the first to try."""
    if recipes == 0:
        return 0.0, 0
    return min((_expected(recipes, first), first) for first in range(recipes))


def _expected(recipes: int, first: int) -> float:
    passes = (recipes - first) / (recipes + 1)
    smaller, larger = _cheapest(recipes - first - 1)[0], _cheapest(first)[0]
    return passes * (1.0 + smaller) + (1.0 - passes) * (_LOSER_COSTS + larger)


def best_candidate(search: Search, passed: Mapping[str, bool]) -> SearchCandidate | None:
    """Return what passed and costs least; None where nothing did."""
    passing = [c for c in search.candidates if passed.get(c.identifier)]
    return min(passing, key=lambda candidate: candidate.cost_bytes(search.goal), default=None)


def _next_mix(
    sequence: tuple[SearchCandidate, ...], passed: Mapping[str, bool]
) -> SearchCandidate | None:
    """Return the first of a sequence that was not tried; None behind one that did not pass."""
    for candidate in sequence:
        outcome = passed.get(candidate.identifier)
        if outcome is None:
            return candidate
        if not outcome:
            return None
    return None
