"""The default policy's rules for the whole suite and for one slice."""

from pipelines.domain.policy import Policy
from pipelines.domain.verdict import Decision, PairedStatistics, SliceVerdict
from pipelines.gates.wording import counts, limit
from pipelines.paired.exact import items_needed, largest_passing_breaks

WHOLE = "all"
_FEWEST_BREAKS_THAT_ARE_EVIDENCE = 2


def judge_whole(statistics: PairedStatistics, policy: Policy) -> SliceVerdict:
    """Judge the suite as a whole: passes by its bound, fails by its rate, else inconclusive."""
    return _verdict(
        name=WHOLE,
        critical=False,
        statistics=statistics,
        policy=policy,
        decision=_by_bound_and_rate(statistics, policy),
    )


def judge_slice(
    *, name: str, critical: bool, statistics: PairedStatistics, policy: Policy
) -> SliceVerdict:
    """Judge a slice.

    One that could pass with no break is judged as the whole is. A smaller one is unproven, and fails
    only on evidence: a rate above the limit with at least two breaks. A critical one fails on any.
    """
    if critical and statistics.broke:
        decision = Decision.FAIL
    elif able_to_pass(statistics, policy):
        decision = _by_bound_and_rate(statistics, policy)
    elif (
        statistics.break_rate > policy.max_break_rate
        and statistics.broke >= _FEWEST_BREAKS_THAT_ARE_EVIDENCE
    ):
        decision = Decision.FAIL
    else:
        decision = Decision.UNPROVEN
    return _verdict(
        name=name, critical=critical, statistics=statistics, policy=policy, decision=decision
    )


def able_to_pass(statistics: PairedStatistics, policy: Policy) -> bool:
    """Whether there are items enough that no break at all would pass."""
    return (
        largest_passing_breaks(statistics.reliable, policy.max_break_rate, policy.confidence) >= 0
    )


def _by_bound_and_rate(statistics: PairedStatistics, policy: Policy) -> Decision:
    if statistics.break_rate_bound <= policy.max_break_rate:
        return Decision.PASS
    if statistics.break_rate > policy.max_break_rate:
        return Decision.FAIL
    return Decision.INCONCLUSIVE


def _verdict(
    *,
    name: str,
    critical: bool,
    statistics: PairedStatistics,
    policy: Policy,
    decision: Decision,
) -> SliceVerdict:
    needed = 0
    if decision in (Decision.INCONCLUSIVE, Decision.UNPROVEN):
        needed = items_needed(
            statistics.broke,
            statistics.reliable,
            max_break_rate=policy.max_break_rate,
            confidence=policy.confidence,
        )
    label = "the whole suite" if name == WHOLE else name
    return SliceVerdict(
        name=name,
        critical=critical,
        decision=decision,
        reason=counts(label, statistics) + _therefore(decision, critical, needed, policy),
        statistics=statistics,
        unbroken_items_needed=needed,
    )


def _therefore(decision: Decision, critical: bool, needed: int, policy: Policy) -> str:
    more = f"{needed} more unbroken {'item' if needed == 1 else 'items'}"
    match decision:
        case Decision.PASS:
            return f", within the limit of {limit(policy)}"
        case Decision.FAIL if critical:
            return ", and a critical slice tolerates no break"
        case Decision.FAIL:
            return f", which is above the limit of {limit(policy)}"
        case Decision.INCONCLUSIVE:
            return f": {more} would settle it"
        case Decision.UNPROVEN:
            return f": too few items to prove {limit(policy)}, {more} would"
