"""The units of a variant, done in the order in which the flow does them."""

from quantgate.flows.build import units
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.references import run_references
from quantgate.flows.build.verdicts import Judgement, evidence, results_of, verdict
from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.domain.verdicts.audit import AuditReport
from quantgate.pipelines.variants.variant import PlannedVariant
from quantgate.registry import Evidence


def audited(build: LocalBuild, planned: PlannedVariant) -> AuditReport:
    """Ask the base, and audit a built variant."""
    run_references(build, planned.recipe.runtime)
    return units.audit(build, planned)


def answered(build: LocalBuild, planned: PlannedVariant) -> Run:
    """Ask the base, audit a built variant, and ask it."""
    audited(build, planned)
    return units.answer(build, planned)


def judged(build: LocalBuild, planned: PlannedVariant) -> Judgement:
    """Ask the base, audit a built variant, ask it where its audit passed, and judge it."""
    if audited(build, planned).passed:
        units.answer(build, planned)
    return verdict(build.plan, planned, results_of(build, planned))


def evidence_of(build: LocalBuild, planned: PlannedVariant) -> Evidence:
    """Do the units of all variants that are built, and put together what is sealed of one."""
    for variant in build.plan.variants:
        if variant.built(build.settings.store):
            judged(build, variant)
    return evidence(build, planned)
