"""Simulated searches whose truth is known: how often what they find passes and should not."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy

from quantgate.flows.build.searching.ladder import shared_policy
from quantgate.pipelines.domain.search import Search, SearchCandidate
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.gates.searching import next_candidate
from quantgate.pipelines.paired.exact import break_rate_p
from quantgate.pipelines.paired.family import holm

TRIALS = 20_000
SEED = 16
POLICY = Policy()
_MIXES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRates:
    """How often a search passes anything whose true break rate is not below the limit.

    `shared` splits the error over the sequences, as verdicts do; `alone` holds each variant to the policy as
    if it were the only one; `holm` adjusts those that were tried, after the search chose them.
    """

    shared: float
    alone: float
    holm: float


def ladder(recipes: int) -> Search:
    """A search over so many recipes with three mixes each, by falling size."""
    sizes = iter(range(recipes * (_MIXES + 1), 0, -1))
    return Search(
        goal="size",
        sequences=tuple(
            tuple(
                SearchCandidate(
                    identifier=f"{recipe}.{mix}",
                    size_bytes=(size := next(sizes)),
                    memory_bytes=size,
                )
                for mix in range(_MIXES + 1)
            )
            for recipe in range(recipes)
        ),
    )


def search_rates(
    recipes: int, good: int, items: int, *, together: float, trials: int = TRIALS
) -> SearchRates:
    """Simulate searches in which the first `good` recipes with their mixes break 2 %, all others the limit.

    `together` is the share of candidates' breaks that fall on the same items: 1 is one random item order for
    all of them, 0 none in common.
    """
    search = ladder(recipes)
    names = [candidate.identifier for candidate in search.candidates]
    bad = {name for name in names if int(name.partition(".")[0]) >= good}
    rates = numpy.array([0.10 if name in bad else 0.02 for name in names])
    p_of = [break_rate_p(count, items, POLICY.max_break_rate) for count in range(items + 1)]
    random = numpy.random.default_rng(SEED)
    error = 1 - POLICY.confidence
    share = 1 - shared_policy(POLICY, len(search.sequences)).whole_confidence
    wrong = numpy.zeros(3, dtype=int)
    for _ in range(trials):
        common = random.random(items)
        own = random.random((len(names), items))
        in_common = random.random((len(names), items)) < together
        broke = (numpy.where(in_common, common, own) < rates[:, None]).sum(axis=1)
        p = {name: p_of[count] for name, count in zip(names, broke.tolist(), strict=True)}
        alone = _found(search, p, error)
        adjusted = dict(zip(alone, holm([p[name] for name in alone]), strict=True))
        after_holm = {name: value <= error for name, value in adjusted.items()}
        for index, passed in enumerate((_found(search, p, share), alone, after_holm)):
            wrong[index] += _is_wrong(passed, bad)
    shared, each, by_holm = (float(count) / trials for count in wrong)
    return SearchRates(shared=shared, alone=each, holm=by_holm)


def _found(search: Search, p: Mapping[str, float], error: float) -> dict[str, bool]:
    """Search to the end, each candidate passing by its p-value; return whether each that was tried passed."""
    passed: dict[str, bool] = {}
    while (candidate := next_candidate(search, passed)) is not None:
        passed[candidate.identifier] = p[candidate.identifier] <= error
    return passed


def _is_wrong(passed: Mapping[str, bool], bad: Set[str]) -> bool:
    return any(passed.get(name, False) for name in bad)
