"""Simulated variants whose truth is known: what the gates say of them, and how often that is wrong.

Nothing here has a formula of its own. What a count of breaks is judged to be is looked up from the gates,
once a count; trials then draw counts.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy
from numpy.typing import NDArray

from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.gates.slices import judge_whole
from quantgate.pipelines.paired.clusters import effective_items
from quantgate.pipelines.paired.exact import break_rate_bound, break_rate_p
from quantgate.pipelines.paired.family import holm
from quantgate.pipelines.paired.interval import paired_difference_interval
from quantgate.pipelines.paired.scores import limits_of_many
from quantgate.pipelines.paired.statistics import statistics
from tests.support.verdicts.judging import paired_items
from tests.support.verdicts.newcombe import newcombe_interval

TRIALS = 20_000
RESAMPLED_TRIALS = 10_000
SEED = 4
POLICY = Policy()

Differences = NDArray[numpy.float64]
Draw = Callable[[numpy.random.Generator, tuple[int, int]], Differences]


@lru_cache(maxsize=64)
def decisions(items: int) -> tuple[Decision, ...]:
    """What the whole suite is judged to be with 0, 1, … breaks among this many reliably right items."""
    limits = POLICY.limits()
    return tuple(
        judge_whole(
            statistics(
                paired_items(both_right=items - broke, broke=broke),
                confidence=limits.confidence,
                max_break_rate=limits.max_break_rate,
            ),
            limits,
        ).decision
        for broke in range(items + 1)
    )


def pass_rate(items: int, true_rate: float, trials: int = TRIALS) -> float:
    """How often a variant passes that breaks items at this rate."""
    passing = numpy.array([one is Decision.PASS for one in decisions(items)])
    broke = numpy.random.default_rng(SEED).binomial(items, true_rate, trials)
    return float(passing[broke].mean())


def planted_not_passed(items: int, every: int, trials: int = TRIALS) -> float:
    """How often a variant is not passed in which one item in `every` is broken, at random."""
    return 1.0 - pass_rate(items, 1 / every, trials)


def family_pass_rates(
    items: int, variants: int, true_rate: float, trials: int = TRIALS
) -> tuple[float, float]:
    """How often any of several variants passes that all break at this rate: each alone, and by Holm."""
    random = numpy.random.default_rng(SEED)
    broke = random.binomial(items, true_rate, (trials, variants))
    p = numpy.array([break_rate_p(k, items, POLICY.max_break_rate) for k in range(items + 1)])[
        broke
    ]
    alpha = 1 - POLICY.confidence
    lowest = numpy.array([min(holm(row)) for row in p.tolist()])
    return float((p.min(axis=1) <= alpha).mean()), float((lowest <= alpha).mean())


def clustered_pass_rates(
    sizes: Sequence[int], correlation: float, true_rate: float, trials: int = TRIALS
) -> tuple[float, float]:
    """How often a variant passes whose breaks come in groups: as judged, and were groups ignored.

    The groups' own rates are drawn from a beta distribution with this intra-class correlation; at 1 a
    group breaks as one.
    """
    random = numpy.random.default_rng(SEED)
    shape = (trials, len(sizes))
    if correlation == 0:
        rates = numpy.full(shape, true_rate)
    elif correlation == 1:
        rates = (random.random(shape) < true_rate).astype(float)
    else:
        spread = (1 - correlation) / correlation
        rates = random.beta(true_rate * spread, (1 - true_rate) * spread, shape)
    broke = random.binomial(numpy.array(sizes), rates).sum(axis=1)
    items = sum(sizes)
    effective = effective_items(g for g, size in enumerate(sizes) for _ in range(size))
    limit, confidence = POLICY.max_break_rate, POLICY.confidence
    honest = [break_rate_bound(k, items, confidence, effective) <= limit for k in range(items + 1)]
    naive = [break_rate_bound(k, items, confidence) <= limit for k in range(items + 1)]
    return float(numpy.array(honest)[broke].mean()), float(numpy.array(naive)[broke].mean())


def bound_coverage(items: int, true_rate: float, trials: int = TRIALS) -> float:
    """How often the true break rate is at most its one-sided 95 % bound."""
    bounds = numpy.array([break_rate_bound(k, items, 0.95) for k in range(items + 1)])
    broke = numpy.random.default_rng(SEED).binomial(items, true_rate, trials)
    return float((true_rate <= bounds[broke]).mean())


def difference_coverages(
    items: int, lost_rate: float, gained_rate: float, trials: int = TRIALS
) -> tuple[float, float]:
    """How often the true difference lies in Tango's and in Newcombe's two-sided 95 % interval.

    Nine in ten of the items that do not flip are right in both.
    """
    kept = 1 - lost_rate - gained_rate
    random = numpy.random.default_rng(SEED)
    tables = random.multinomial(items, [0.9 * kept, lost_rate, gained_rate, 0.1 * kept], trials)
    seen, places = numpy.unique(tables, axis=0, return_inverse=True)
    truth = gained_rate - lost_rate
    tango, newcombe = [], []
    for right, lost, gained, wrong in seen.tolist():
        found = paired_difference_interval(gained=gained, lost=lost, items=items, confidence=0.95)
        tango.append(found.low <= truth <= found.high)
        low, high = newcombe_interval(
            both_right=right, lost=lost, gained=gained, both_wrong=wrong, confidence=0.95
        )
        newcombe.append(low <= truth <= high)
    places = places.reshape(-1)
    return float(numpy.array(tango)[places].mean()), float(numpy.array(newcombe)[places].mean())


def score_coverages(
    draw: Draw,
    truth: float,
    *,
    units: int,
    size: int = 1,
    trials: int = RESAMPLED_TRIALS,
) -> tuple[float, float]:
    """How often the true mean difference of scores lies in the bootstrap's two-sided 95 % interval, and is
    at least its one-sided bound.

    `draw` gives differences of a unit (a group of `size` items that change together), units x samples.
    """
    random = numpy.random.default_rng(SEED)
    within = above = 0
    block = 1000
    for start in range(0, trials, block):
        count = min(block, trials - start)
        sums = draw(random, (units, count)) * size
        low, high, bound = limits_of_many(sums, numpy.full(units, size), confidence=0.95)
        within += int(((low <= truth) & (truth <= high)).sum())
        above += int((bound <= truth).sum())
    return within / trials, above / trials


def rarely_worse(random: numpy.random.Generator, shape: tuple[int, int]) -> Differences:
    """Differences of 0, and of -1 for one item in twenty: mean -0.05."""
    return -(random.random(shape) < 0.05).astype(float)


def partly_worse(random: numpy.random.Generator, shape: tuple[int, int]) -> Differences:
    """Differences of partial scores: an even spread from -0.3 to 0.2, mean -0.05."""
    return random.uniform(-0.3, 0.2, shape)
