"""The rules that a policy may add to the break rate, each judged by its bound and its estimate.

Like the break rate they pass where a one-sided bound at the policy's confidence is within the limit, fail
where what was observed is beyond it, and are inconclusive between. Verbosity is no rate of anything that a
sample estimates with error bars a person would trust: it is held against its limit as it is.
"""

from collections.abc import Sequence

from pipelines.domain.policy import Limits
from pipelines.domain.verdict import (
    Decision,
    PairedItem,
    PairedStatistics,
    PairOutcome,
    RuleVerdict,
)
from pipelines.gates.wording import (
    percent,
    percent_bound,
    percent_lower_bound,
    points,
    points_bound,
    share,
)

_NAMED_AT_MOST = 5
_REFERENCE_RIGHT = (PairOutcome.BOTH_RIGHT, PairOutcome.BROKE)


def further_rules(
    label: str, statistics: PairedStatistics, limits: Limits
) -> tuple[RuleVerdict, ...]:
    """Judge every rule that is asked of one scope, in the order of a policy's keys."""
    judged: list[RuleVerdict] = []
    if limits.non_inferiority is not None:
        judged.append(_non_inferiority(label, statistics, limits.non_inferiority))
    if limits.min_accuracy is not None:
        judged.append(_accuracy(label, statistics, limits.min_accuracy))
    if limits.max_verbosity_ratio is not None:
        judged.append(_verbosity(label, statistics, limits.max_verbosity_ratio))
    if limits.max_refusal_rate_increase is not None:
        judged.append(_refusals(label, statistics, limits.max_refusal_rate_increase))
    return tuple(judged)


def critical_items(items: Sequence[PairedItem]) -> tuple[RuleVerdict, ...]:
    """Judge single items that tolerate no break; nothing where the suite has none.

    Those that the reference does not reliably get right cannot break.
    """
    if not any(item.critical for item in items):
        return ()
    kept = [i for i in items if i.critical and i.stable and i.outcome in _REFERENCE_RIGHT]
    broken = [item.item_id for item in kept if item.outcome is PairOutcome.BROKE]
    if not broken:
        reason = f"none of {len(kept)} critical items broke"
        return (RuleVerdict(rule="critical", decision=Decision.PASS, reason=reason),)
    named = ", ".join(broken[:_NAMED_AT_MOST])
    more = f" and {len(broken) - _NAMED_AT_MOST} more" if len(broken) > _NAMED_AT_MOST else ""
    items_ = "item" if len(broken) == 1 else "items"
    reason = f"critical {items_} broke: {named}{more}"
    return (RuleVerdict(rule="critical", decision=Decision.FAIL, reason=reason),)


def _non_inferiority(label: str, counted: PairedStatistics, margin: float) -> RuleVerdict:
    """Hold the change of accuracy, or of the mean score where grades are graded, against a margin."""
    measured = counted.scores or counted
    what = "mean score" if counted.scores else "accuracy"
    told = (
        f"{label}: {what} changed by {points(measured.delta)}"
        f" (lower bound {points_bound(measured.delta_lower_bound)})"
    )
    wanted = f"the margin of {100 * margin:g} points"
    return _judged(
        "non_inferiority",
        passed=measured.delta_lower_bound >= -margin,
        failed=measured.delta < -margin,
        told=told,
        wanted=wanted,
    )


def _accuracy(label: str, counted: PairedStatistics, least: float) -> RuleVerdict:
    told = (
        f"{label}: accuracy is {percent(counted.variant_accuracy)}"
        f" (lower bound {percent_lower_bound(counted.accuracy_lower_bound)})"
    )
    return _judged(
        "min_accuracy",
        passed=counted.accuracy_lower_bound >= least,
        failed=counted.variant_accuracy < least,
        told=told,
        wanted=f"the least of {share(least)}",
    )


def _verbosity(label: str, counted: PairedStatistics, most: float) -> RuleVerdict:
    ratio = counted.verbosity_ratio
    return _judged(
        "max_verbosity_ratio",
        passed=ratio <= most,
        failed=ratio > most,
        told=f"{label}: answers take {ratio:.2f} times the reference's tokens",
        wanted=f"the limit of {most:g}",
    )


def _refusals(label: str, counted: PairedStatistics, most: float) -> RuleVerdict:
    rule, found = "max_refusal_rate_increase", counted.refusals
    if found is None:
        reason = f"{label}: no grader tells refusals, so that their rate cannot be held to a limit"
        return RuleVerdict(rule=rule, decision=Decision.INCONCLUSIVE, reason=reason)
    told = (
        f"{label}: {found.variant_refused} of {found.items} were refused where the reference refused"
        f" {found.reference_refused} (upper bound of the increase"
        f" {percent_bound(found.increase_upper_bound)})"
    )
    return _judged(
        rule,
        passed=found.increase_upper_bound <= most,
        failed=found.increase > most,
        told=told,
        wanted=f"the limit of {share(most)}",
    )


def _judged(rule: str, *, passed: bool, failed: bool, told: str, wanted: str) -> RuleVerdict:
    if passed:
        return RuleVerdict(rule=rule, decision=Decision.PASS, reason=f"{told}, within {wanted}")
    if failed:
        return RuleVerdict(rule=rule, decision=Decision.FAIL, reason=f"{told}, beyond {wanted}")
    return RuleVerdict(
        rule=rule,
        decision=Decision.INCONCLUSIVE,
        reason=f"{told}: too few items to show {wanted}",
    )
