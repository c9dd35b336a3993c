"""The rules of a policy for the whole suite and for one slice."""

from collections.abc import Iterable

from quantgate.pipelines.domain.verdicts.policy import Limits
from quantgate.pipelines.domain.verdicts.verdict import (
    Decision,
    PairedStatistics,
    RuleVerdict,
    SliceVerdict,
)
from quantgate.pipelines.gates.rules import further_rules
from quantgate.pipelines.gates.wording import counts, limit, unbroken_items
from quantgate.pipelines.paired.exact import break_rate_bound, items_needed

WHOLE = "all"
_WORST_FIRST = (Decision.FAIL, Decision.INCONCLUSIVE, Decision.UNPROVEN, Decision.PASS)
_FEWEST_CAUSES = 2
"""A rate above its limit is evidence where it has so many causes of its own: what one group does is one."""


def judge_whole(
    statistics: PairedStatistics, limits: Limits, more: tuple[RuleVerdict, ...] = ()
) -> SliceVerdict:
    """Judge the suite as a whole: passes by its bound, fails by its rate, else inconclusive.

    A rate above its limit that is all of one group is one piece of evidence, and fails nothing.
    `more` are rules on it that were judged already.
    """
    decision = _by_bound_and_rate(statistics, limits)
    fewest = _fewest_of_many(statistics)
    rules = (*more, *further_rules("the whole suite", statistics, limits, fewest_causes=fewest))
    return _verdict(WHOLE, statistics, limits, decision, rules)


def judge_slice(name: str, statistics: PairedStatistics, limits: Limits) -> SliceVerdict:
    """Judge a slice.

    One that could pass with no break is judged as the whole is. A smaller one is unproven, and fails
    only on evidence: a rate above the limit with at least two breaks, of two groups where items share
    groups. A critical one fails on any. The policy's further rules ask for no
    less: what one group does fails none of them in a slice that cannot prove itself.
    """
    fewest = _fewest_of_many(statistics) if able_to_pass(statistics, limits) else _FEWEST_CAUSES
    rules = further_rules(name, statistics, limits, fewest_causes=fewest)
    if limits.critical and statistics.broke:
        decision = Decision.FAIL
    elif able_to_pass(statistics, limits):
        decision = _by_bound_and_rate(statistics, limits)
    elif statistics.break_rate > limits.max_break_rate and statistics.broke_apart >= _FEWEST_CAUSES:
        decision = Decision.FAIL
    else:
        decision = Decision.UNPROVEN
    return _verdict(name, statistics, limits, decision, rules)


def able_to_pass(statistics: PairedStatistics, limits: Limits) -> bool:
    """Whether there are items enough that no break at all would pass."""
    reliable, effective = statistics.reliable, statistics.effective_reliable
    return break_rate_bound(0, reliable, limits.confidence, effective) <= limits.max_break_rate


def worst(decisions: Iterable[Decision]) -> Decision:
    """Return the decision that outweighs the others; pass where there is none."""
    return min(decisions, key=_WORST_FIRST.index, default=Decision.PASS)


def _by_bound_and_rate(statistics: PairedStatistics, limits: Limits) -> Decision:
    if statistics.break_rate_bound <= limits.max_break_rate:
        return Decision.PASS
    beyond = statistics.break_rate > limits.max_break_rate
    if beyond and statistics.broke_apart >= _fewest_of_many(statistics):
        return Decision.FAIL
    return Decision.INCONCLUSIVE


def _fewest_of_many(statistics: PairedStatistics) -> int:
    """Return how many causes are evidence in a scope that could pass: two where items share groups."""
    return _FEWEST_CAUSES if statistics.clusters else 1


def _verdict(
    name: str,
    statistics: PairedStatistics,
    limits: Limits,
    by_breaks: Decision,
    rules: tuple[RuleVerdict, ...],
) -> SliceVerdict:
    needed = 0
    if by_breaks in (Decision.INCONCLUSIVE, Decision.UNPROVEN):
        needed = items_needed(
            statistics.broke,
            statistics.reliable,
            max_break_rate=limits.max_break_rate,
            confidence=limits.confidence,
            effective=statistics.effective_reliable if statistics.clusters else None,
        )
    label = "the whole suite" if name == WHOLE else name
    decision = worst([by_breaks, *(rule.decision for rule in rules)])
    more_items = unbroken_items(needed, grouped=statistics.clusters is not None)
    reason = counts(label, statistics) + _therefore(by_breaks, limits, more_items)
    judged_reasons = [(by_breaks, reason), *((rule.decision, rule.reason) for rule in rules)]
    return SliceVerdict(
        name=name,
        critical=limits.critical,
        decision=decision,
        reason="; ".join(sentence for judged, sentence in judged_reasons if judged is decision),
        statistics=statistics,
        unbroken_items_needed=needed,
        rules=rules,
    )


def _therefore(decision: Decision, limits: Limits, more: str) -> str:
    match decision:
        case Decision.PASS:
            return f", within the limit of {limit(limits)}"
        case Decision.FAIL if limits.critical:
            return ", and a critical slice tolerates no break"
        case Decision.FAIL:
            return f", which is above the limit of {limit(limits)}"
        case Decision.INCONCLUSIVE:
            return f": {more} would settle it"
        case Decision.UNPROVEN:
            return f": too few items to prove {limit(limits)}, {more} would"
