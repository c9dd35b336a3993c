"""Verdicts of a build's variants: each judged once a process, then as one of all that were tried.

Judging runs nothing: what the units before it left is handed to it, sealed or missing.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from quantgate.flows.build.bases import BaseFindings, sealed_base
from quantgate.flows.build.errors import errors_of, read_errors
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.references import sealed_references
from quantgate.flows.build.results.unit_error import REGISTER
from quantgate.flows.build.timing.speeds import sealed_speed
from quantgate.flows.build.units import sealed_audit, sealed_runs, variant_run_plan
from quantgate.pipelines.audit.behaviour import audit_behaviour
from quantgate.pipelines.authoring.versions import remember
from quantgate.pipelines.domain.architectures import TRANSFORMERS
from quantgate.pipelines.domain.run import Run, RunContract
from quantgate.pipelines.domain.verdicts.audit import AuditReport
from quantgate.pipelines.domain.verdicts.verdict import Verdict
from quantgate.pipelines.files.sealed_values import Missing, Sealed, required
from quantgate.pipelines.gates.early import Examined, judge_stopped
from quantgate.pipelines.gates.family import family_p, within_family
from quantgate.pipelines.gates.judge import audit_failure, judge
from quantgate.pipelines.variants.variant import PlannedVariant
from quantgate.registry import Evidence
from quantgate.registry.recording.completeness import transcript_of

_turn = threading.RLock()
"""Judging computes in this very process: two threads would do the same work, and no sooner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantResults:
    """What the units of one variant, and those of its base, left.

    `contract` is that of a run of every item; `runs` are missing as well where the audit failed.
    """

    contract: RunContract
    base: Sealed[BaseFindings] | Missing
    references: Sealed[tuple[Run, ...]] | Missing
    audit: Sealed[AuditReport] | Missing
    runs: Sealed[tuple[Run, ...]] | Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A variant's verdict, and its audit with what its answers showed."""

    audit: AuditReport
    verdict: Verdict


def results_of(build: LocalBuild, planned: PlannedVariant) -> VariantResults:
    """Return what is sealed of a variant.

    Raises:
        InputError: where a sealed file was altered, or the variant is not built.
    """
    runtime_name = planned.recipe.runtime
    return VariantResults(
        contract=variant_run_plan(build, planned).contract,
        base=sealed_base(build, runtime_name),
        references=sealed_references(build, runtime_name),
        audit=sealed_audit(build, planned),
        runs=sealed_runs(build, planned),
    )


def verdict(plan: BuildPlan, planned: PlannedVariant, results: VariantResults) -> Judgement:
    """Judge a variant on what is sealed of it.

    Raises:
        InputError: where something that a verdict needs is missing, or runs are not comparable.
    """
    audit, references = required(results.audit), required(results.references)
    suite, policy = plan.suite, plan.policy
    if not audit.passed:
        failure = audit_failure(
            subject=planned.identifier,
            suite=suite,
            policy=policy,
            audit=audit,
            contract=results.contract,
            reference_key=references[0].key,
        )
        return Judgement(audit=audit, verdict=failure)
    run, *repeats = required(results.runs)
    if len(run.answers) < len(suite.items):
        stopped = Examined(
            suite=suite, policy=policy, audit=audit, reference_runs=references, asked=run
        )
        return Judgement(audit=audit, verdict=judge_stopped(stopped))
    audit = replace(audit, findings=(*audit.findings, *audit_behaviour(references[0], run)))
    judged = judge(
        suite=suite,
        policy=policy,
        audit=audit,
        reference_runs=references,
        variant_run=run,
        variant_repeats=repeats,
    )
    return Judgement(audit=audit, verdict=judged)


def evidence(build: LocalBuild, planned: PlannedVariant) -> Evidence:
    """Put together what is sealed of one variant and judge it, among the others where the policy says so.

    Raises:
        InputError: where something is missing or was altered, or runs are not comparable.
    """
    with _turn:
        alone = replace(_alone(build, planned), speed=sealed_speed(build, planned))
        if build.plan.policy.family_wise == "none":
            return alone
        return replace(alone, verdict=within_family(alone.verdict, family(build)))


def _alone(build: LocalBuild, planned: PlannedVariant) -> Evidence:
    return build.judged(planned.key, lambda: _evidence(build, planned))


def _evidence(build: LocalBuild, planned: PlannedVariant) -> Evidence:
    results = results_of(build, planned)
    judgement, base = verdict(build.plan, planned, results), required(results.base)
    store = build.settings.store
    runs = results.runs.value if isinstance(results.runs, Sealed) else ()
    transcripts = tuple(transcript_of(run, store) for run in runs)
    remember(build.plan.suite, build.settings.store)
    return Evidence(
        checkpoint=build.plan.checkpoint,
        suite=build.plan.suite,
        variant=build.open(planned),
        audit=judgement.audit,
        verdict=judgement.verdict,
        base_divergence=base.divergence,
        base_divergence_waiver=base.waiver,
        tokens_per_second=_tokens_per_second(judgement.verdict, runs),
        references=tuple(transcript_of(run, store) for run in required(results.references)),
        transcript=transcripts[0] if transcripts else None,
        transcript_repeats=transcripts[1:],
        contamination_waivers=tuple(
            waiver
            for waiver in build.plan.contamination_waivers
            if waiver.corpus == planned.corpus_label
        ),
    )


def _tokens_per_second(verdict: Verdict, runs: Sequence[Run]) -> float | None:
    """Return how fast a variant answered; None where that was not measured, or says nothing of its speed.

    A run that an earlier try began has the seconds of its last try alone. transformers computes with
    dequantized weights, as no server would.
    """
    runtime = verdict.contract.runtime
    if verdict.whole is None or not runs or any(run.resumed for run in runs):
        return None
    seconds = fmean(run.seconds for run in runs)
    if runtime.kernels == "emulated" or runtime.engine == TRANSFORMERS or seconds <= 0:
        return None
    return verdict.whole.statistics.variant_tokens / seconds


def family(build: LocalBuild) -> Mapping[str, float]:
    """Return the p-value of every variant of the build; 1 for one that an error stopped.

    All have been answered by then, or never will be in this try.
    """
    errors = read_errors(build.plan, build.settings)
    return {
        planned.identifier: family_p(_alone(build, planned).verdict)
        if all(error.step == REGISTER for error in errors_of(build.plan, planned, errors))
        else 1.0
        for planned in build.plan.variants
    }
