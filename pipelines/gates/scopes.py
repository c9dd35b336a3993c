"""The whole suite and its slices judged, and what they come to together."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.verdicts.audit import AuditReport
from quantgate.pipelines.domain.verdicts.judge_evidence import JudgeEvidence
from quantgate.pipelines.domain.verdicts.policy import Limits, Policy
from quantgate.pipelines.domain.verdicts.verdict import (
    Decision,
    PairedItem,
    PairedStatistics,
    SliceVerdict,
)
from quantgate.pipelines.gates.judged_by_model import refuse_counting, with_judge
from quantgate.pipelines.gates.rules import critical_items
from quantgate.pipelines.gates.slices import judge_slice, judge_whole
from quantgate.pipelines.paired.statistics import statistics


@dataclass(frozen=True, slots=True, kw_only=True)
class Scopes:
    """The whole suite and every slice of it, in its order, judged.

    `judge` is what is known of the judge model that graded, None where none did.
    """

    whole: SliceVerdict
    slices: tuple[SliceVerdict, ...]
    judge: JudgeEvidence | None = None


def judge_scopes(
    suite: Suite, policy: Policy, items: Sequence[PairedItem], *, by_scores: bool = False
) -> Scopes:
    """Judge paired items in every scope; `by_scores` holds scores of 0 and 1 for graded ones.

    Raises:
        InputError: where the policy does not fit the suite, or a rate is not one.
    """
    require_named_slices(policy, suite)
    refuse_counting(policy, items)
    limits = policy.limits()
    judged = []
    for spec in suite.slices:
        narrower = policy.slice_limits(spec.name, critical=spec.critical)
        inside = [item for item in items if spec.name in item.slices]
        scope = judge_slice(spec.name, _statistics(inside, narrower, by_scores=by_scores), narrower)
        judged.append(with_judge(scope, inside, suite.anchors, narrower)[0])
    counted = _statistics(items, limits, by_scores=by_scores)
    whole, evidence = with_judge(
        judge_whole(counted, limits, critical_items(items)), items, suite.anchors, limits
    )
    return Scopes(whole=whole, slices=tuple(judged), judge=evidence)


def overall(
    audit: AuditReport, whole: Decision, slices: Sequence[Decision], policy: Policy
) -> Decision:
    """Return what a variant's decisions come to.

    It fails where its audit, the whole or any slice fails; is inconclusive where the whole or a slice
    large enough to pass is (or a slice is unproven under `require_all_slices`); passes otherwise.
    """
    decisions = {whole, *slices}
    if not audit.passed or Decision.FAIL in decisions:
        return Decision.FAIL
    if Decision.INCONCLUSIVE in decisions:
        return Decision.INCONCLUSIVE
    if Decision.UNPROVEN in decisions and policy.require_all_slices:
        return Decision.INCONCLUSIVE
    return Decision.PASS


def failing(whole: SliceVerdict, slices: Sequence[SliceVerdict]) -> tuple[SliceVerdict, ...]:
    """Return what fails: the whole first, then slices, by the share and then the number that broke."""
    failed = [scope for scope in slices if scope.decision is Decision.FAIL]
    failed.sort(key=lambda scope: (-scope.statistics.break_rate, -scope.statistics.broke))
    return (*([whole] if whole.decision is Decision.FAIL else []), *failed)


def require_named_slices(policy: Policy, suite: Suite) -> None:
    """Refuse a policy that speaks of slices which the suite does not have.

    Raises:
        InputError: naming all of them, and the likely one.
    """
    names = [spec.name for spec in suite.slices]
    unknown = [name for name in policy.named_slices if name not in names]
    if unknown:
        close = get_close_matches(unknown[0], names, n=1)
        raise InputError(
            f"the policy names {', '.join(unknown)}, which {suite.name} does not have",
            where="policy",
            next_step=f"did you mean {close[0]}?" if close else f"slices: {', '.join(names)}",
        )


def _statistics(
    items: Sequence[PairedItem], limits: Limits, *, by_scores: bool
) -> PairedStatistics:
    return statistics(
        items,
        confidence=limits.confidence,
        max_break_rate=limits.max_break_rate,
        by_scores=by_scores,
    )
