"""From evidence to a verdict: the default policy, as docs/verdicts.md states it, and what may be added."""

from collections.abc import Sequence

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.run import Run, RunContract
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.verdicts.audit import AuditReport
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.verdict import Decision, Verdict
from quantgate.pipelines.gates.scopes import (
    Scopes,
    failing,
    judge_scopes,
    overall,
    require_named_slices,
)
from quantgate.pipelines.gates.wording import audit_miss
from quantgate.pipelines.paired.pairing import pair


def judge(
    *,
    suite: Suite,
    policy: Policy,
    audit: AuditReport,
    reference_runs: Sequence[Run],
    variant_run: Run,
    variant_repeats: Sequence[Run] = (),
) -> Verdict:
    """Pair a variant with the reference and judge it; see `overall` for what its parts come to.

    `variant_repeats` are its runs besides the first, as many as the policy asks for. Family-wise control over
    several variants comes after, see `pipelines.gates.family`.

    Raises:
        InputError: where the runs are not comparable, too few or too many, or the policy does not fit the
            suite.
    """
    require_named_slices(policy, suite)
    _require_variant_runs(policy, variant_run, variant_repeats)
    items = pair(
        suite=suite,
        reference_runs=reference_runs,
        variant=variant_run,
        variant_repeats=variant_repeats,
    )
    scopes = judge_scopes(suite, policy, items)
    decisions = [judged.decision for judged in scopes.slices]
    return Verdict(
        subject=variant_run.subject,
        decision=overall(audit, scopes.whole.decision, decisions, policy),
        reasons=(*audit_reasons(audit), *scope_reasons(scopes, policy)),
        policy=policy,
        contract=variant_run.contract,
        reference_key=reference_runs[0].key,
        run_key=variant_run.key,
        repeat_keys=tuple(run.key for run in variant_repeats),
        suite_digest=suite.digest,
        whole=scopes.whole,
        slices=scopes.slices,
        items=items,
        judge=scopes.judge,
    )


def _require_variant_runs(policy: Policy, run: Run, repeats: Sequence[Run]) -> None:
    given = 1 + len(repeats)
    if given != policy.variant_runs:
        raise InputError(
            f"variant_runs of the policy is {policy.variant_runs}, and runs of the variant are {given}",
            where=run.subject,
            next_step="name that many transcripts, the others with --variant-repeat, or set variant_runs to "
            f"{given}",
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
        reasons=(*audit_reasons(audit), "no item was asked"),
        policy=policy,
        contract=contract,
        reference_key=reference_key,
        run_key=None,
        suite_digest=suite.digest,
        whole=None,
        slices=(),
        items=(),
    )


def audit_reasons(audit: AuditReport) -> tuple[str, ...]:
    """Return a sentence for every miss."""
    if not audit.findings:
        return ("audit: nothing was checked",)
    return tuple(audit_miss(finding) for finding in audit.misses)


def scope_reasons(scopes: Scopes, policy: Policy) -> tuple[str, ...]:
    """Sentences by weight: what fails, what is open, then how the whole stands and what is unproven."""
    whole, slices = scopes.whole, scopes.slices
    judged = (whole, *slices)
    blocking = " (the policy requires all slices)" if policy.require_all_slices else ""
    return (
        *(scope.reason for scope in failing(scopes.whole, scopes.slices)),
        *(scope.reason for scope in judged if scope.decision is Decision.INCONCLUSIVE),
        *([whole.reason] if whole.decision is Decision.PASS else []),
        *(scope.reason + blocking for scope in slices if scope.decision is Decision.UNPROVEN),
        *_shared_error(policy),
    )


def _shared_error(policy: Policy) -> tuple[str, ...]:
    """Say at which confidence the whole suite was held where a search shares its error."""
    if policy.error_shares == 1:
        return ()
    return (
        f"the whole suite's bound is at {100 * policy.whole_confidence:.2f} %: a search shares its error "
        f"among {policy.error_shares} sequences",
    )
