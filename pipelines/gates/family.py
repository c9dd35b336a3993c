"""Family-wise control: who tries many variants finds one that passes by luck.

What is adjusted is the test that the whole suite passes by: the probability of so few breaks if the true
break rate were the limit. It is at most `1 - confidence` exactly where the bound is within the limit, and
Holm's adjustment keeps the chance that any variant passes whose break rate is above the limit at that. The
other rules and the slices are hurdles on top of it: they can only make passing harder, and stay as they are.

A verdict knows only itself, so that this is a second step, over the p-values of all variants of a build. A
variant that was never asked, or not judged for an error, was tried as well: it counts with a p-value of 1.
"""

from collections.abc import Mapping
from dataclasses import replace

from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.verdict import (
    Decision,
    FamilyAdjustment,
    SliceVerdict,
    Verdict,
)
from quantgate.pipelines.gates.wording import limit, unbroken_items
from quantgate.pipelines.paired.exact import items_needed
from quantgate.pipelines.paired.family import holm


def family_p(verdict: Verdict) -> float:
    """Return the p-value with which a variant enters its family; 1 where it was not asked."""
    return verdict.whole.statistics.break_rate_p if verdict.whole else 1.0


def family_confidence(policy: Policy, variants: int) -> float:
    """Return the confidence at which a variant passes beside as many others whatever those show."""
    return 1.0 - (1.0 - policy.confidence) / variants


def within_family(verdict: Verdict, family: Mapping[str, float]) -> Verdict:
    """Return a verdict as it is among all variants of its build: `family` has a p-value by subject.

    It is returned as it is where the policy does not ask for family-wise control. A pass that does not
    survive becomes inconclusive; nothing else changes its decision.

    Raises:
        KeyError: where the family does not hold the verdict's subject.
    """
    if verdict.policy.family_wise == "none":
        return verdict
    subjects = tuple(family)
    adjusted = dict(zip(subjects, holm([family[name] for name in subjects]), strict=True))
    adjustment = FamilyAdjustment(
        variants=len(family),
        raw_p=family[verdict.subject],
        adjusted_p=adjusted[verdict.subject],
    )
    whole = verdict.whole
    if whole is None or whole.decision is not Decision.PASS:
        return replace(verdict, family=adjustment)
    judged = _adjusted(whole, verdict, adjustment)
    decision = verdict.decision
    if decision is Decision.PASS:
        decision = judged.decision
    reasons = tuple(
        judged.reason if reason == whole.reason else reason for reason in verdict.reasons
    )
    return replace(verdict, whole=judged, decision=decision, reasons=reasons, family=adjustment)


def _adjusted(whole: SliceVerdict, verdict: Verdict, adjustment: FamilyAdjustment) -> SliceVerdict:
    """Judge the whole's pass once more, by its adjusted p-value."""
    raw, adjusted = _p(adjustment.raw_p), _p(adjustment.adjusted_p)
    alone = f"p {raw} on its own, {adjusted} among {adjustment.variants} variants"
    if adjustment.adjusted_p <= 1.0 - verdict.policy.confidence:
        return replace(whole, reason=f"{whole.reason} ({alone} by Holm)")
    counted = whole.statistics
    needed = items_needed(
        counted.broke,
        counted.reliable,
        max_break_rate=verdict.policy.max_break_rate,
        confidence=family_confidence(verdict.policy, adjustment.variants),
        effective=counted.effective_reliable if counted.clusters else None,
    )
    items = unbroken_items(needed, grouped=counted.clusters is not None)
    return replace(
        whole,
        decision=Decision.INCONCLUSIVE,
        reason=f"{whole.reason}, but not beside the others: {alone} by Holm, where"
        f" {_p(1.0 - verdict.policy.confidence)} is needed to show {limit(verdict.policy)}:"
        f" {items} would settle it",
        unbroken_items_needed=needed,
    )


def _p(value: float) -> str:
    return f"{value:.2g}"
