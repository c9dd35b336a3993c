"""The demo's verdicts: its transcripts graded, paired and judged by the very gates of every build."""

from collections.abc import Mapping
from dataclasses import dataclass

from quantgate.flows.cli.demo.contents import DemoBuild, DemoRun, DemoVariant
from quantgate.pipelines.audit.behaviour import audit_behaviour
from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.verdicts.audit import AuditReport
from quantgate.pipelines.evaluation.graders.table import KnownGrades
from quantgate.pipelines.evaluation.grading import grade_answers
from quantgate.pipelines.gates.judge import judge
from quantgate.pipelines.report.build_report import (
    BuildReport,
    ReferenceReport,
    VariantReport,
)


@dataclass(frozen=True, slots=True)
class _Graded:
    """Graded runs: the base's by runtime, each variant's by identifier."""

    references: Mapping[str, tuple[Run, ...]]
    variants: Mapping[str, Run]


def judged_report(demo: DemoBuild) -> BuildReport:
    """Return the build as its transcripts judge it."""
    graded = _graded(demo)
    return BuildReport(
        build=f"{demo.checkpoint.name}--{demo.suite.name}",
        created_at=demo.created_at,
        checkpoint=demo.checkpoint,
        corpora=demo.corpora,
        suite=demo.suite,
        policy=demo.policy,
        references=tuple(ReferenceReport(runs=runs) for runs in graded.references.values()),
        variants=tuple(_judged(demo, variant, graded) for variant in demo.variants),
        bases=demo.bases,
    )


def _judged(demo: DemoBuild, variant: DemoVariant, graded: _Graded) -> VariantReport:
    references = graded.references[variant.recipe.runtime]
    run = graded.variants[variant.identifier]
    audit = AuditReport(findings=(*variant.audit.findings, *audit_behaviour(references[0], run)))
    return VariantReport(
        identifier=variant.identifier,
        recipe=variant.recipe,
        variant=variant.variant,
        audit=audit,
        verdict=judge(
            suite=demo.suite,
            policy=demo.policy,
            audit=audit,
            reference_runs=references,
            variant_run=run,
        ),
        registered_version=variant.registered_version,
        prediction=variant.prediction,
    )


def _graded(demo: DemoBuild) -> _Graded:
    grades: KnownGrades = {}
    return _Graded(
        references={
            runtime: tuple(_run(demo.suite, run, grades) for run in runs)
            for runtime, runs in demo.references.items()
        },
        variants={each.identifier: _run(demo.suite, each.run, grades) for each in demo.variants},
    )


def _run(suite: Suite, run: DemoRun, grades: KnownGrades) -> Run:
    plan = run.plan
    return Run(
        key=plan.key,
        subject=plan.subject,
        subject_digest=plan.subject_digest,
        contract=plan.contract,
        answers=grade_answers(suite, run.answers, None, grades),
        seconds=run.seconds,
    )
