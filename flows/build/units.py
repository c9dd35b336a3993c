"""What is done with each variant of a build, each one call that leaves its result sealed in the store.

Nothing here knows Prefect. Every function may be called again at any time, in any process: what is
sealed is read, what is missing is made. What a unit needs of the units before it is only read: the flow
orders them.
"""

from dataclasses import dataclass, replace

from quantgate.calibration.shelf.tokens import calibration_tokens
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.predicting.predictions import predict, sealed_prediction
from quantgate.flows.build.references import (
    in_order,
    primary_reference,
    reference_plans,
    sealed_references,
)
from quantgate.flows.build.resources.needs import resident_bytes
from quantgate.flows.build.stopping import PORTIONS, early_stop, stops_early
from quantgate.pipelines.audit.bench.rulers import MeasuredRulers
from quantgate.pipelines.audit.bench.variant import Drift, VariantAudit
from quantgate.pipelines.domain.prediction import Prediction
from quantgate.pipelines.domain.recipe import Calibration
from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.domain.variant import Variant
from quantgate.pipelines.domain.verdicts.audit import AuditReport
from quantgate.pipelines.engines.backend import CalibrationTokens
from quantgate.pipelines.engines.runtime import kept
from quantgate.pipelines.evaluation.order import NO_EARLY_END, EarlyEnd, likeliest_to_break
from quantgate.pipelines.evaluation.runs import RunPlan, run_suite
from quantgate.pipelines.files.sealed_values import Missing, Sealed, required
from quantgate.pipelines.variants.variant import PlannedVariant, build_request, build_variant


def build_files(build: LocalBuild, planned: PlannedVariant) -> Variant:
    """Return the built variant.

    Raises:
        CheckpointError, ToolchainError, WorkerError: from the backend.
    """
    with build.show("build", planned.identifier) as progress:
        request = replace(
            build_request(
                planned, build.plan.checkpoint, _calibration(build, planned), build.settings.store
            ),
            resident_bytes=resident_bytes(build, planned),
        )
        backend = build.tools.backends[planned.recipe.options.backend]
        return build_variant(planned, request, backend, build.tools.run_worker, progress)


def audit(build: LocalBuild, planned: PlannedVariant) -> AuditReport:
    """Audit a built variant before any item is asked; the reference's own answers are part of it.

    Raises:
        InputError: where its sealed files were altered since, or the base was not asked.
        ServiceError, ToolchainError, WorkerError: from the child processes; nothing is found out then.
    """
    reference = required(primary_reference(build, planned.recipe.runtime))
    beside = () if build.plan.search else build.plan.variants  # most of a search's are never built
    rulers = MeasuredRulers(bench=build.bench, recipes=tuple(other.recipe for other in beside))
    drift = Drift(tokens=lambda: build.texts.divergence_tokens(reference), rulers=rulers)
    return _audit(build, planned).made(drift)


def answer(build: LocalBuild, planned: PlannedVariant) -> Run:
    """Run the suite on a built variant in the runtime that will serve it, as often as the policy asks for.

    Returns its first run.

    Raises:
        InputError: where a run may end early, and neither its audit nor the base's runs are there.
        WorkerError, ToolchainError: from the runtime; answers given so far are kept.
    """
    asking = required(asking_plan(build, planned))
    if not build.suite_runs.finished(asking.run):
        predict(build, planned, asking.run.key)
    first = _answered(build, planned, asking, asking.run, "answer")
    for number, run in enumerate(asking.repeats, start=2):
        _answered(build, planned, asking, run, f"answer {number}/{len(asking.runs)}")
    return first


def audit_and_answer(build: LocalBuild, planned: PlannedVariant) -> AuditReport:
    """Audit a variant and, where it passes, run the suite: a server that is started does both.

    Raises:
        InputError, WorkerError, ToolchainError, ServiceError: as `audit` and `answer`.
    """
    file = build.bench.loadable(build.open(planned))
    with kept(build.tools.runtimes[planned.recipe.runtime], file):
        report = audit(build, planned)
        if report.passed:
            asking = required(asking_plan(build, planned))
            _answered(build, planned, asking, asking.run, "answer")
    if report.passed:
        # A server is started anew for each repeat, as it is for those of the base.
        answer(build, planned)
    return report


def sealed_audit(build: LocalBuild, planned: PlannedVariant) -> Sealed[AuditReport] | Missing:
    """Return the audit of a built variant, where it was made."""
    return _audit(build, planned).sealed()


def sealed_run(build: LocalBuild, planned: PlannedVariant) -> Sealed[Run] | Missing:
    """Return a built variant's first run, where it and its repeats are sealed."""
    runs = sealed_runs(build, planned)
    return runs if isinstance(runs, Missing) else Sealed(runs.value[0])


def sealed_runs(build: LocalBuild, planned: PlannedVariant) -> Sealed[tuple[Run, ...]] | Missing:
    """Return a built variant's runs, where all that the policy asks for are sealed."""
    asking = asking_plan(build, planned)
    if isinstance(asking, Missing):
        return asking
    if not all(map(build.suite_runs.finished, asking.value.runs)):
        return Missing(f"answer {planned.identifier}")
    return Sealed(tuple(build.read(run) for run in asking.value.runs))


def predicted(build: LocalBuild, planned: PlannedVariant) -> Prediction | None:
    """Return which items were said to break before a built variant was asked, where that was said."""
    asking = asking_plan(build, planned)
    if isinstance(asking, Missing):
        return None
    return sealed_prediction(build, planned, asking.value.run.key)


def answered(build: LocalBuild, planned: PlannedVariant) -> bool:
    """Whether all of a built variant's runs are sealed."""
    asking = asking_plan(build, planned)
    return isinstance(asking, Sealed) and all(map(build.suite_runs.finished, asking.value.runs))


@dataclass(frozen=True, slots=True, kw_only=True)
class AskingPlan:
    """The run that is to be made of a variant, what may end it before all items are asked, its repeats."""

    run: RunPlan
    early: EarlyEnd
    repeats: tuple[RunPlan, ...] = ()

    @property
    def runs(self) -> tuple[RunPlan, ...]:
        """Every run, the first one first."""
        return (self.run, *self.repeats)


def asking_plan(build: LocalBuild, planned: PlannedVariant) -> Sealed[AskingPlan] | Missing:
    """Return what a variant is asked: where that may end early, audit and references decide when."""
    run = variant_run_plan(build, planned)
    if not stops_early(build.plan):
        return Sealed(AskingPlan(run=run, early=NO_EARLY_END, repeats=_repeats(build, run)))
    report = sealed_audit(build, planned)
    if isinstance(report, Missing):
        return report
    references = sealed_references(build, planned.recipe.runtime)
    if isinstance(references, Missing):
        return references
    stop = early_stop(build.plan, report.value, references.value)
    schedule = replace(run.contract.schedule, portions=PORTIONS)
    contract = replace(run.contract, schedule=schedule)
    run = replace(run, contract=contract, ended_by=stop.identity)
    return Sealed(
        AskingPlan(run=run, early=EarlyEnd(ended=stop, first=likeliest_to_break(references.value)))
    )


def variant_run_plan(build: LocalBuild, planned: PlannedVariant) -> RunPlan:
    """Return the run of a built variant that is asked every item."""
    variant = build.open(planned)
    runtime = build.tools.runtimes[variant.recipe.runtime]
    return build.suite_runs.plan(
        runtime=runtime,
        identity=runtime.identity(variant.recipe),
        subject=variant.identifier,
        subject_digest=variant.files_digest,
        schedule=runtime.schedule(build.settings.threads),
    )


def _answered(
    build: LocalBuild, planned: PlannedVariant, asking: AskingPlan, run: RunPlan, step: str
) -> Run:
    if build.suite_runs.finished(run):
        return build.read(run)
    with build.show(step, planned.identifier) as progress:
        graded = run_suite(
            build.suite_runs,
            run,
            runtime=build.tools.runtimes[planned.recipe.runtime],
            loadable=build.bench.loadable(build.open(planned)),
            on_progress=progress,
            early=asking.early,
        )
    return build.keep(graded)


def _repeats(build: LocalBuild, run: RunPlan) -> tuple[RunPlan, ...]:
    """Like those of the base: repeat number n is shuffled with seed n."""
    return tuple(
        in_order(run, order_seed) for order_seed in range(1, build.plan.policy.variant_runs)
    )


def _audit(build: LocalBuild, planned: PlannedVariant) -> VariantAudit:
    return VariantAudit(
        bench=build.bench,
        reading=build.reading,
        planned=planned,
        variant=build.open(planned),
        answers_key=reference_plans(build, planned.recipe.runtime)[0].answers_key,
    )


def _calibration(build: LocalBuild, planned: PlannedVariant) -> CalibrationTokens | None:
    corpus = build.plan.corpus_of(planned)
    if planned.recipe.calibration is Calibration.NONE or corpus is None:
        return None
    return calibration_tokens(
        corpus,
        build.chat,
        context_length_tokens=build.plan.checkpoint.context_length_tokens,
        target_tokens=planned.recipe.calibration_tokens,
        folder=build.scratch,
    )
