"""What a search tries next, given what became of what it tried.

It bisects the recipes by what they cost until one that passed stands beside a cheaper one that did not, and
goes on with the mixes between the two, the largest first, until one does not pass. Which recipes it looks at
depends on the answers; the error rate does not: there are as many sequences as recipes, fixed beforehand,
each is tested at its equal share of the error (`Policy.error_shares`), and within a sequence nothing is
tested behind what did not pass. docs/verdicts.md has the proof.
"""

from collections.abc import Mapping

from quantgate.pipelines.domain.search import Search, SearchCandidate


def next_candidate(search: Search, passed: Mapping[str, bool]) -> SearchCandidate | None:
    """Return what is to be tried next; None where the search is over.

    `passed` says of every candidate tried so far, by identifier, whether it passed.
    """
    recipes = [sequence[0] for sequence in search.sequences]
    passing, failing = -1, len(recipes)
    while failing - passing > 1:
        middle = (passing + failing) // 2
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
