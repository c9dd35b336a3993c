"""The units of work of a build, each one call that leaves its result sealed in the store.

Nothing here knows Prefect. Every function may be called again at any time, in any process: what is
sealed is read, what is missing is made.
"""

from collections.abc import Callable
from dataclasses import replace

from quantgate.calibration.shelf.tokens import calibration_tokens
from quantgate.flows.build.audits.audits import audit_built, base_in, base_loadable, loadable
from quantgate.flows.build.audits.base_audits import base_audit, refuse_base
from quantgate.flows.build.audits.base_divergence import compute_before_serving
from quantgate.flows.build.site import BuildSite
from quantgate.flows.build.stopping import PORTIONS, ending, hopeless, refuse_hopeless, stops_early
from quantgate.pipelines.audit.behaviour import audit_behaviour
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.recipe import Calibration
from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.domain.variant import Variant
from quantgate.pipelines.domain.verdicts.audit import AuditReport
from quantgate.pipelines.domain.verdicts.verdict import Verdict
from quantgate.pipelines.engines.backend import CalibrationTokens
from quantgate.pipelines.engines.runtime import kept
from quantgate.pipelines.evaluation.runs import RunPlan, never, run_suite
from quantgate.pipelines.gates.early import Examined, judge_stopped
from quantgate.pipelines.gates.judge import audit_failure, judge
from quantgate.pipelines.variants.variant import PlannedVariant, build_request, build_variant

__all__ = [
    "answer", "answered", "audit", "audit_and_answer", "base_audit", "base_in", "build",
    "primary_reference", "references_finished", "refuse_base", "require_prospects", "run_references",
    "sealed_references", "verdict",
]  # fmt: skip


def run_references(site: BuildSite, runtime_name: str) -> tuple[Run, ...]:
    """Return the base's runs in a runtime: the primary one and its A/A repeats.

    Raises:
        CheckpointError: where the base fails its audit in this runtime, or is not the checkpoint there.
        UnprovableError: where the primary run alone shows that nothing can pass: it is not repeated.
        WorkerError, ToolchainError: from the runtime.
    """
    runtime = site.tools.runtimes[runtime_name]
    plans = reference_plans(site, runtime_name)
    if references_finished(site, runtime_name):
        refuse_base(site, runtime_name)
        return sealed_references(site, runtime_name)
    base = base_loadable(site, runtime_name)

    def run(number: int) -> Run:
        step = f"reference {number}/{len(plans)}"
        with site.show(step, base_in(runtime_name)) as progress:
            return run_suite(
                site.examination,
                plans[number - 1],
                runtime=runtime,
                loadable=base,
                on_progress=progress,
            )

    compute_before_serving(site, runtime_name, base)
    with kept(runtime, base):
        refuse_base(site, runtime_name)
        first = run(1)
    refuse_hopeless(site, runtime_name, (first,))
    # A server is started anew for each repeat: what differs between starts is part of the noise floor.
    return (first, *(run(number) for number in range(2, len(plans) + 1)))


def require_prospects(site: BuildSite, runtime_name: str) -> None:
    """Refuse to build where the base, which has answered, leaves no variant a way to pass.

    Raises:
        UnprovableError: with how many items it gets reliably right, and how many are needed.
    """
    refuse_hopeless(site, runtime_name, run_references(site, runtime_name))


def primary_reference(site: BuildSite, runtime_name: str) -> Run:
    """Return the base's primary run in a runtime; its repeats are not read where it is sealed.

    Raises:
        CheckpointError, WorkerError, ToolchainError: as `run_references`.
    """
    primary = reference_plans(site, runtime_name)[0]
    if site.examination.finished(primary):
        return site.read(primary)
    return run_references(site, runtime_name)[0]


def references_finished(site: BuildSite, runtime_name: str) -> bool:
    """Whether all of the base's runs in a runtime are sealed, and it may judge there.

    An earlier build may have asked a base that was waived then.
    """
    return all(
        site.examination.finished(plan) for plan in reference_plans(site, runtime_name)
    ) and _may_judge(site, runtime_name)


def _may_judge(site: BuildSite, runtime_name: str) -> bool:
    try:
        refuse_base(site, runtime_name)
    except CheckpointError:
        return False
    return True


def sealed_references(site: BuildSite, runtime_name: str) -> tuple[Run, ...]:
    """Return the base's runs in a runtime as they are sealed, none where one is missing.

    They may be of a runtime that must not judge, or not any more: its waiver may have expired since. Where
    the primary run alone shows that nothing can pass, it is all there is.
    """
    plans = reference_plans(site, runtime_name)
    if references_finished(site, runtime_name):
        return tuple(site.read(plan) for plan in plans)
    if not (site.examination.finished(plans[0]) and _may_judge(site, runtime_name)):
        return ()
    primary = (site.read(plans[0]),)
    return primary if hopeless(site, primary) else ()


def build(site: BuildSite, planned: PlannedVariant) -> Variant:
    """Return the built variant.

    Raises:
        CheckpointError, ToolchainError, WorkerError: from the backend.
    """
    with site.show("build", planned.identifier) as progress:
        request = build_request(
            planned, site.plan.checkpoint, _calibration(site, planned), site.settings.store
        )
        backend = site.tools.backends[planned.recipe.options.backend]
        return build_variant(planned, request, backend, site.tools.run_worker, progress)


def audit(site: BuildSite, planned: PlannedVariant) -> AuditReport:
    """Audit a built variant before any item is asked; the reference's own answers are part of it.

    Raises:
        InputError: where its sealed files were altered since.
    """
    return audit_built(site, planned, primary_reference(site, planned.recipe.runtime))


def audit_and_answer(site: BuildSite, planned: PlannedVariant) -> AuditReport:
    """Audit a variant and, where it passes, run the suite: a server that is started does both.

    Raises:
        InputError, WorkerError, ToolchainError, ServiceError: as `audit` and `answer`.
    """
    file = loadable(site.open(planned))
    with kept(site.tools.runtimes[planned.recipe.runtime], file):
        report = audit(site, planned)
        if report.passed:
            answer(site, planned)
    return report


def answer(site: BuildSite, planned: PlannedVariant) -> Run:
    """Run the suite on a built variant in the runtime that will serve it.

    Raises:
        WorkerError, ToolchainError: from the runtime; answers given so far are kept.
    """
    variant = site.open(planned)
    plan, end = _asked(site, planned)
    if site.examination.finished(plan):
        return site.read(plan)
    with site.show("answer", planned.identifier) as progress:
        return run_suite(
            site.examination,
            plan,
            runtime=site.tools.runtimes[planned.recipe.runtime],
            loadable=loadable(variant),
            on_progress=progress,
            ended=end,
        )


def answered(site: BuildSite, planned: PlannedVariant) -> bool:
    """Whether a built variant's run is sealed."""
    return site.examination.finished(_asked(site, planned)[0])


def verdict(site: BuildSite, planned: PlannedVariant) -> tuple[AuditReport, Verdict]:
    """Judge a variant on what is sealed of it: a pure function of files.

    Raises:
        InputError: where a sealed file is missing or was altered, or runs are not comparable.
    """
    report = audit(site, planned)
    references = run_references(site, planned.recipe.runtime)
    suite, policy = site.plan.suite, site.plan.policy
    if not report.passed:
        return report, audit_failure(
            subject=planned.identifier,
            suite=suite,
            policy=policy,
            audit=report,
            contract=_variant_run_plan(site, planned).contract,
            reference_key=references[0].key,
        )
    run = answer(site, planned)
    if len(run.answers) < len(suite.items):
        stopped = Examined(
            suite=suite, policy=policy, audit=report, reference_runs=references, asked=run
        )
        return report, judge_stopped(stopped)
    report = AuditReport(findings=(*report.findings, *audit_behaviour(references[0], run)))
    return report, judge(
        suite=suite, policy=policy, audit=report, reference_runs=references, variant_run=run
    )


def reference_plans(site: BuildSite, runtime_name: str) -> tuple[RunPlan, ...]:
    """The primary run keeps suite order; repeat number n is shuffled with seed n."""
    runtime = site.tools.runtimes[runtime_name]
    checkpoint = site.plan.checkpoint
    first = site.examination.plan(
        runtime=runtime,
        identity=runtime.identity(checkpoint.numerics),
        subject=f"{checkpoint.name}--base-{runtime_name}",
        subject_digest=checkpoint.digests.combined,
        schedule=runtime.schedule(site.settings.threads),
    )
    return tuple(
        replace(
            first,
            contract=replace(
                first.contract, schedule=replace(first.contract.schedule, order_seed=seed)
            ),
        )
        for seed in range(site.plan.policy.reference_runs)
    )


def answer_plan(site: BuildSite, planned: PlannedVariant) -> RunPlan:
    """Return the run that is wanted of a built variant."""
    return _asked(site, planned)[0]


def _asked(site: BuildSite, planned: PlannedVariant) -> tuple[RunPlan, Callable[[Run], bool]]:
    """Return the run that is wanted of a variant, and what may end it before all items are asked."""
    plan = _variant_run_plan(site, planned)
    if not stops_early(site):
        return plan, never
    references = run_references(site, planned.recipe.runtime)
    end = ending(site, audit(site, planned), references)
    schedule = replace(plan.contract.schedule, portions=PORTIONS)
    contract = replace(plan.contract, schedule=schedule)
    return replace(plan, contract=contract, ended_by=end.identity), end


def _variant_run_plan(site: BuildSite, planned: PlannedVariant) -> RunPlan:
    variant = site.open(planned)
    runtime = site.tools.runtimes[variant.recipe.runtime]
    return site.examination.plan(
        runtime=runtime,
        identity=runtime.identity(variant.recipe),
        subject=variant.identifier,
        subject_digest=variant.files_digest,
        schedule=runtime.schedule(site.settings.threads),
    )


def _calibration(site: BuildSite, planned: PlannedVariant) -> CalibrationTokens | None:
    corpus = site.plan.corpus_of(planned)
    if planned.recipe.calibration is Calibration.NONE or corpus is None:
        return None
    return calibration_tokens(
        corpus,
        site.chat,
        context_length_tokens=site.plan.checkpoint.context_length_tokens,
        target_tokens=planned.recipe.calibration_tokens,
        folder=site.scratch,
    )
