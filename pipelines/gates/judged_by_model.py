"""Scopes in which a judge model has graded: its verdicts count only as far as people's labels carry them.

Where items of a scope are graded by a judge, its breaks are not counted. The scope's break rate is
estimated instead, over two strata weighted by their reliable items: those that other graders judge,
counted exactly, and those of the judge, corrected by prediction-powered inference from the labels on the
variant's own answers (`pipelines.paired.judges`). Each stratum's bound is at half the error (Bonferroni),
so that their weighted sum is a bound at the policy's confidence. Without enough labels nothing is shown
either way: then a scope fails only where the items that no judge graded fail it by themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.anchor import AnchorLabel
from quantgate.pipelines.domain.verdicts.decision import Decision
from quantgate.pipelines.domain.verdicts.judge_evidence import JudgeEvidence
from quantgate.pipelines.domain.verdicts.policy import Limits, Policy
from quantgate.pipelines.domain.verdicts.verdict import (
    PairedItem,
    PairOutcome,
    RuleVerdict,
    SliceVerdict,
)
from quantgate.pipelines.gates.slices import WHOLE, worst
from quantgate.pipelines.gates.wording import limit, percent, percent_bound
from quantgate.pipelines.paired.clusters import group_of
from quantgate.pipelines.paired.exact import break_rate_bound
from quantgate.pipelines.paired.judges import JUDGE, judge_evidence, judged_answers

RULE = "judge_model"
_COUNTED_RULES = frozenset({"non_inferiority", "min_accuracy"})
_REFERENCE_RIGHT = (PairOutcome.BOTH_RIGHT, PairOutcome.BROKE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimated:
    """A scope's break rate from both strata, and its one-sided upper bound; shares of reliable items."""

    rate: float
    bound: float


class _Counted(NamedTuple):
    """Reliable items that no judge graded: how many broke, how many there are, breaks of different groups."""

    broke: int
    items: int
    apart: int


def by_a_judge(item: PairedItem) -> bool:
    """Whether a judge model graded the variant's answer to an item."""
    return item.variant.grade.grader.startswith(JUDGE)


def refuse_counting(policy: Policy, items: Sequence[PairedItem]) -> None:
    """Refuse rules that count breaks where a judge grades, whose verdicts are corrected instead.

    Family-wise control adjusts an exact test of counts; people's labels are of one run of a variant.

    Raises:
        InputError: where the policy asks for one all the same.
    """
    if not any(map(by_a_judge, items)):
        return
    if policy.variant_runs > 1:
        raise InputError(
            f"variant_runs: {policy.variant_runs} counts breaks at their rate, and a judge model's "
            "verdicts are corrected by labels of a variant's one run, not counted",
            where="policy",
            next_step="leave variant_runs out, or grade these items without a judge model",
        )
    if policy.family_wise != "none":
        raise InputError(
            f"family_wise: {policy.family_wise} adjusts the exact test of a count of breaks, and a judge "
            "model's verdicts are corrected, not counted",
            where="policy",
            next_step="leave family_wise out, or grade these items without a judge model",
        )


def with_judge(
    scope: SliceVerdict, items: Sequence[PairedItem], anchors: Sequence[AnchorLabel], limits: Limits
) -> tuple[SliceVerdict, JudgeEvidence | None]:
    """Return a scope as it is judged where a judge model graded some of its `items`, and its evidence.

    It is returned as it is, with None, where no judge did.
    """
    if not any(map(by_a_judge, items)):
        return scope, None
    others = [item for item in items if not by_a_judge(item) and _reliable(item)]
    broken = [item for item in others if item.outcome is PairOutcome.BROKE]
    counted = _Counted(len(broken), len(others), apart=len({group_of(item) for item in broken}))
    share = 1.0 - limits.confidence
    confidence = 1.0 - share / 2.0 if others else limits.confidence
    answers = judged_answers(items, anchors)
    evidence = judge_evidence(answers, labels=len(anchors), confidence=confidence)
    rule = _rule(scope, evidence, counted, limits, confidence)
    rules = (rule, *map(_as_far_as_it_counts, scope.rules))
    decision = worst(judged_rule.decision for judged_rule in rules)
    reason = "; ".join(
        judged_rule.reason for judged_rule in rules if judged_rule.decision is decision
    )
    judged = replace(scope, decision=decision, reason=reason, rules=rules, unbroken_items_needed=0)
    return judged, evidence


def _rule(
    scope: SliceVerdict,
    evidence: JudgeEvidence,
    others: _Counted,
    limits: Limits,
    confidence: float,
) -> RuleVerdict:
    label = "the whole suite" if scope.name == WHOLE else scope.name
    broke, count = others.broke, others.items
    open_ = scope.name == WHOLE or (limits.critical and scope.statistics.broke > 0)
    undecided = Decision.INCONCLUSIVE if open_ else Decision.UNPROVEN
    if limits.critical and broke:
        sentence = f"{label}: {broke} of {count} items that no judge graded broke"
        return _rule_verdict(Decision.FAIL, f"{sentence}, and a critical slice tolerates no break")
    certain = broke / max(1, scope.statistics.reliable)
    if certain > limits.max_break_rate and others.apart > 1:
        reliable = scope.statistics.reliable
        sentence = f"{label}: {broke} of {count} items that no judge graded broke, of {reliable}"
        return _rule_verdict(
            Decision.FAIL, f"{sentence}, which is above the limit of {limit(limits)}"
        )
    problem = _problem(scope, evidence)
    if problem:
        return _rule_verdict(undecided, f"{label}: a judge's verdicts do not count here: {problem}")
    estimate = _estimate(evidence, others, confidence)
    sentence = (
        f"{label}: {percent(estimate.rate)} of reliably right items broke, with the judge's verdicts "
        f"corrected by {evidence.labels} labels (bound {percent_bound(estimate.bound)})"
    )
    if estimate.bound <= limits.max_break_rate and not (limits.critical and estimate.rate > 0):
        return _rule_verdict(Decision.PASS, f"{sentence}, within the limit of {limit(limits)}")
    if limits.critical and estimate.rate > 0:
        return _rule_verdict(Decision.FAIL, f"{sentence}, and a critical slice tolerates no break")
    if estimate.rate > limits.max_break_rate:
        return _rule_verdict(
            Decision.FAIL, f"{sentence}, which is above the limit of {limit(limits)}"
        )
    return _rule_verdict(undecided, f"{sentence}: more items and labels would settle it")


def _as_far_as_it_counts(rule: RuleVerdict) -> RuleVerdict:
    """Accuracies are counted from the judge's verdicts as they are, which shows nothing."""
    if rule.rule not in _COUNTED_RULES:
        return rule
    return replace(
        rule,
        decision=Decision.INCONCLUSIVE,
        reason=f"{rule.reason}; but a judge's verdicts are corrected for the break rate alone",
    )


def _problem(scope: SliceVerdict, evidence: JudgeEvidence) -> str | None:
    if evidence.decision is not Decision.PASS:
        return evidence.reason
    if evidence.break_rate is None:
        return "the reference gets none of its items reliably right"
    if scope.statistics.clusters is not None:
        return "items share groups, and labels are corrected for as if each stood alone"
    return None


def _estimate(evidence: JudgeEvidence, others: _Counted, confidence: float) -> Estimated:
    corrected = evidence.break_rate
    assert corrected is not None
    broke, count = others.broke, others.items
    if not count:
        return Estimated(rate=_share(corrected.corrected), bound=_share(corrected.upper_bound))
    weight = count / (count + corrected.answers)
    counted = break_rate_bound(broke, count, confidence)
    return Estimated(
        rate=weight * broke / count + (1.0 - weight) * _share(corrected.corrected),
        bound=weight * counted + (1.0 - weight) * _share(corrected.upper_bound),
    )


def _share(value: float) -> float:
    """A corrected rate may leave 0 to 1 by a little."""
    return min(1.0, max(0.0, value))


def _reliable(item: PairedItem) -> bool:
    return item.stable and item.outcome in _REFERENCE_RIGHT


def _rule_verdict(decision: Decision, reason: str) -> RuleVerdict:
    return RuleVerdict(rule=RULE, decision=decision, reason=reason)
