"""The rules that a policy may add to the break rate, each judged by its bound and its estimate.

Like the break rate they pass where a one-sided bound at the policy's confidence is within the limit, fail
where what was observed is beyond it, and are inconclusive between. What is observed in a single group is one
observation, however many items the group has, and fails none of them. Verbosity is no rate of anything that a
sample estimates with error bars a person would trust: it is held against its limit as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from quantgate.pipelines.domain.verdicts.policy import Limits
from quantgate.pipelines.domain.verdicts.verdict import (
    Decision,
    PairedItem,
    PairedStatistics,
    PairOutcome,
    RuleVerdict,
)
from quantgate.pipelines.gates.wording import (
    percent,
    percent_bound,
    percent_lower_bound,
    points,
    points_bound,
    share,
)

_NAMED_AT_MOST = 5
_REFERENCE_RIGHT = (PairOutcome.BOTH_RIGHT, PairOutcome.BROKE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """What was observed of a scope, in words and held against a limit.

    `causes` counts what speaks against the variant, each a `cause`: a group, where items share groups (an
    item of none is one by itself), else an item.
    """

    observation: str
    limit: str
    within: bool
    beyond: bool
    causes: int
    cause: str


def further_rules(
    label: str, statistics: PairedStatistics, limits: Limits, *, fewest_causes: int
) -> tuple[RuleVerdict, ...]:
    """Judge every rule that is asked of one scope, in the order of a policy's keys.

    An estimate beyond its limit fails where at least `fewest_causes` groups stand behind it.
    """
    judged: list[RuleVerdict] = []
    if limits.non_inferiority is not None:
        changed = _change(label, statistics, limits.non_inferiority)
        judged.append(_judged("non_inferiority", changed, fewest_causes))
    if limits.min_accuracy is not None:
        accuracy = _accuracy(label, statistics, limits.min_accuracy)
        judged.append(_judged("min_accuracy", accuracy, fewest_causes))
    if limits.max_verbosity_ratio is not None:
        judged.append(_verbosity(label, statistics, limits.max_verbosity_ratio))
    if limits.max_refusal_rate_increase is not None:
        most = limits.max_refusal_rate_increase
        judged.append(_refusals(label, statistics, most, fewest_causes))
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


def _change(label: str, counted: PairedStatistics, margin: float) -> _Measured:
    """Hold the change of accuracy, or of the mean score where grades are graded, against a margin."""
    measured = counted.scores or counted
    what = "mean score" if counted.scores else "accuracy"
    return _Measured(
        observation=(
            f"{label}: {what} changed by {points(measured.delta)}"
            f" (lower bound {points_bound(measured.delta_lower_bound)})"
        ),
        limit=f"the margin of {100 * margin:g} points",
        within=measured.delta_lower_bound >= -margin,
        beyond=measured.delta < -margin,
        causes=measured.lost_groups,
        cause=_cause(counted),
    )


def _accuracy(label: str, counted: PairedStatistics, least: float) -> _Measured:
    return _Measured(
        observation=(
            f"{label}: accuracy is {percent(counted.variant_accuracy)}"
            f" (lower bound {percent_lower_bound(counted.accuracy_lower_bound)})"
        ),
        limit=f"the least of {share(least)}",
        within=counted.accuracy_lower_bound >= least,
        beyond=counted.variant_accuracy < least,
        causes=counted.wrong_groups,
        cause=_cause(counted),
    )


def _verbosity(label: str, counted: PairedStatistics, most: float) -> RuleVerdict:
    ratio = counted.verbosity_ratio
    measured = _Measured(
        observation=f"{label}: answers take {ratio:.2f} times the reference's tokens",
        limit=f"the limit of {most:g}",
        within=ratio <= most,
        beyond=ratio > most,
        causes=counted.items,
        cause=_cause(counted),
    )
    return _judged("max_verbosity_ratio", measured, 0)


def _refusals(
    label: str, counted: PairedStatistics, most: float, fewest_causes: int
) -> RuleVerdict:
    rule, refusals = "max_refusal_rate_increase", counted.refusals
    if refusals is None:
        reason = f"{label}: no grader tells refusals, so that their rate cannot be held to a limit"
        return RuleVerdict(rule=rule, decision=Decision.INCONCLUSIVE, reason=reason)
    measured = _Measured(
        observation=(
            f"{label}: {refusals.variant_refused} of {refusals.items} were refused where the reference"
            f" refused {refusals.reference_refused} (upper bound of the increase"
            f" {percent_bound(refusals.increase_upper_bound)})"
        ),
        limit=f"the limit of {share(most)}",
        within=refusals.increase_upper_bound <= most,
        beyond=refusals.increase > most,
        causes=refusals.more_groups,
        cause=_cause(counted),
    )
    return _judged(rule, measured, fewest_causes)


def _judged(rule: str, measured: _Measured, fewest_causes: int) -> RuleVerdict:
    observation, limit = measured.observation, measured.limit
    if measured.within:
        return RuleVerdict(
            rule=rule, decision=Decision.PASS, reason=f"{observation}, within {limit}"
        )
    if measured.beyond and measured.causes >= fewest_causes:
        return RuleVerdict(
            rule=rule, decision=Decision.FAIL, reason=f"{observation}, beyond {limit}"
        )
    seen = f", beyond {limit} by what one {measured.cause} did" if measured.beyond else ""
    return RuleVerdict(
        rule=rule,
        decision=Decision.INCONCLUSIVE,
        reason=f"{observation}{seen}: too few items to show {'that' if measured.beyond else limit}",
    )


def _cause(counted: PairedStatistics) -> str:
    return "group" if counted.clusters else "item"
