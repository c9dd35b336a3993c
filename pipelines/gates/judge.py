"""From evidence to a verdict: the default policy, exactly as DESIGN.md states it."""

from collections.abc import Sequence
from difflib import get_close_matches

from pipelines.domain.audit import AuditReport
from pipelines.domain.errors import InputError
from pipelines.domain.policy import Policy
from pipelines.domain.run import Run, RunContract
from pipelines.domain.suite import Suite
from pipelines.domain.verdict import Decision, PairedItem, PairedStatistics, SliceVerdict, Verdict
from pipelines.gates.slices import judge_slice, judge_whole
from pipelines.gates.wording import audit_miss
from pipelines.paired.pairing import pair
from pipelines.paired.statistics import statistics


def judge(
    *,
    suite: Suite,
    policy: Policy,
    audit: AuditReport,
    reference_runs: Sequence[Run],
    variant_run: Run,
) -> Verdict:
    """Pair a variant with the reference and judge it.

    It fails where its audit, the whole or any slice fails; is inconclusive where the whole or a slice
    large enough to pass is (or a slice is unproven under `require_all_slices`); passes otherwise.

    Raises:
        InputError: where the runs are not comparable, or the policy does not fit the suite.
    """
    _require_known_slices(policy, suite)
    items = pair(suite=suite, reference_runs=reference_runs, variant=variant_run)
    whole = judge_whole(_statistics(items, policy), policy)
    slices = tuple(
        judge_slice(
            name=spec.name,
            critical=spec.critical or spec.name in policy.critical_slices,
            statistics=_statistics([item for item in items if spec.name in item.slices], policy),
            policy=policy,
        )
        for spec in suite.slices
    )
    return Verdict(
        subject=variant_run.subject,
        decision=_overall(audit, whole, slices, policy),
        reasons=(*_audit_reasons(audit), *_reasons(whole, slices, policy)),
        policy=policy,
        contract=variant_run.contract,
        reference_key=reference_runs[0].key,
        run_key=variant_run.key,
        suite_digest=suite.digest,
        whole=whole,
        slices=slices,
        items=items,
    )


def audit_failure(
    *,
    subject: str,
    suite: Suite,
    policy: Policy,
    audit: AuditReport,
    contract: RunContract,
    reference_key: str,
) -> Verdict:
    """Return the failed verdict of a variant whose audit missed before any item was asked.

    `contract` is the one under which it would have been asked.

    Raises:
        ValueError: where the audit passed; such a variant has to be asked.
    """
    if audit.passed:
        raise ValueError(f"{subject} passed its audit: judge it on its answers")
    return Verdict(
        subject=subject,
        decision=Decision.FAIL,
        reasons=(*_audit_reasons(audit), "no item was asked"),
        policy=policy,
        contract=contract,
        reference_key=reference_key,
        run_key=None,
        suite_digest=suite.digest,
        whole=None,
        slices=(),
        items=(),
    )


def _statistics(items: Sequence[PairedItem], policy: Policy) -> PairedStatistics:
    return statistics(items, confidence=policy.confidence, max_break_rate=policy.max_break_rate)


def _overall(
    audit: AuditReport, whole: SliceVerdict, slices: Sequence[SliceVerdict], policy: Policy
) -> Decision:
    decisions = {whole.decision, *(judged.decision for judged in slices)}
    if not audit.passed or Decision.FAIL in decisions:
        return Decision.FAIL
    if Decision.INCONCLUSIVE in decisions:
        return Decision.INCONCLUSIVE
    if Decision.UNPROVEN in decisions and policy.require_all_slices:
        return Decision.INCONCLUSIVE
    return Decision.PASS


def _audit_reasons(audit: AuditReport) -> tuple[str, ...]:
    if not audit.findings:
        return ("audit: nothing was checked",)
    return tuple(audit_miss(finding) for finding in audit.misses)


def _reasons(
    whole: SliceVerdict, slices: Sequence[SliceVerdict], policy: Policy
) -> tuple[str, ...]:
    """Sentences by weight: what fails, what is open, then how the whole stands and what is unproven."""
    judged = (whole, *slices)
    blocking = " (the policy requires all slices)" if policy.require_all_slices else ""
    return (
        *(one.reason for one in judged if one.decision is Decision.FAIL),
        *(one.reason for one in judged if one.decision is Decision.INCONCLUSIVE),
        *([whole.reason] if whole.decision is Decision.PASS else []),
        *(one.reason + blocking for one in slices if one.decision is Decision.UNPROVEN),
    )


def _require_known_slices(policy: Policy, suite: Suite) -> None:
    known = [spec.name for spec in suite.slices]
    unknown = [name for name in policy.critical_slices if name not in known]
    if unknown:
        close = get_close_matches(unknown[0], known, n=1)
        raise InputError(
            f"critical_slices names {', '.join(unknown)}, which {suite.name} does not have",
            where="policy",
            next_step=f"did you mean {close[0]}?" if close else f"slices: {', '.join(known)}",
        )
