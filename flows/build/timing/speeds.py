"""How fast each variant is beside its base: timed once all are judged and nothing else is under way."""

from collections.abc import Iterator
from glob import escape

from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.references import primary_reference
from quantgate.flows.build.timing.variant_speed import VariantSpeed, timed_prompt
from quantgate.flows.build.units import sealed_audit
from quantgate.pipelines.domain.speed import ACCURACY_ONLY, NO_METER, Speed, SpeedRecord
from quantgate.pipelines.files.sealed_values import Missing, required, sealed_record
from quantgate.pipelines.variants.variant import PlannedVariant

FAILED_ITS_AUDIT = "not timed: it failed its audit"
"""What is said of a variant that is asked nothing: it may not even load."""


def speed_of(identifier: str) -> str:
    """Return what the timing of a variant is called as a unit: its failure is no failure of the variant."""
    return f"speed of {identifier}"


def time_beside_base(build: LocalBuild, planned: PlannedVariant) -> SpeedRecord:
    """Time a variant beside its base, unless that is sealed.

    Where its runtime has no meter, or it failed its audit (it may not even load), nothing is timed, and the
    record says why.

    Raises:
        InputError: where its sealed files were altered since, or the base was not asked.
        CheckpointError, ToolchainError, ServiceError, WorkerError: from the child processes.
    """
    timing = _timing(build, planned)
    if timing is None:
        return SpeedRecord(speed=None, reason=_meterless(build, planned))
    if _failed_its_audit(build, planned):
        return SpeedRecord(speed=None, reason=FAILED_ITS_AUDIT)
    return timing.made()


def sealed_speed(build: LocalBuild, planned: PlannedVariant) -> Speed | None:
    """Return how fast a variant is beside its base, where the plan asks for that and it was timed."""
    timing = _timing(build, planned) if build.plan.speed else None
    sealed = timing.sealed() if timing is not None else None
    return None if sealed is None or isinstance(sealed, Missing) else sealed.value.speed


def every_timing(build: LocalBuild, planned: PlannedVariant) -> Iterator[Speed]:
    """Yield every timing of a variant that the store has: of other machines, threads and code, too."""
    for folder in sorted(build.settings.store.speeds.glob(f"{escape(planned.identifier)}--*")):
        sealed = sealed_record(folder, SpeedRecord, folder.name)
        if not isinstance(sealed, Missing) and sealed.value.speed is not None:
            yield sealed.value.speed


def untimed_because(build: LocalBuild, planned: PlannedVariant) -> str:
    """Return why a variant that was not timed has no speed; "" where the plan asks for none."""
    if not build.plan.speed:
        return ""
    if planned.recipe.runtime not in build.tools.speed_meters:
        return _meterless(build, planned)
    return FAILED_ITS_AUDIT if _failed_its_audit(build, planned) else "not timed"


def _failed_its_audit(build: LocalBuild, planned: PlannedVariant) -> bool:
    """Whether an audit found it out; a search for speed times what was not audited yet."""
    if not planned.built(build.settings.store):
        return False
    report = sealed_audit(build, planned)
    return not isinstance(report, Missing) and not report.value.passed


def _meterless(build: LocalBuild, planned: PlannedVariant) -> str:
    return NO_METER if planned.recipe.runtime in build.plan.served else ACCURACY_ONLY


def _timing(build: LocalBuild, planned: PlannedVariant) -> VariantSpeed | None:
    meter = build.tools.speed_meters.get(planned.recipe.runtime)
    if meter is None:
        return None
    reference = required(primary_reference(build, planned.recipe.runtime))
    settings = build.settings
    return VariantSpeed(
        bench=build.bench,
        meter=meter,
        variant=build.open(planned),
        identity=build.tools.runtimes[planned.recipe.runtime].identity(planned.recipe),
        prompt=timed_prompt(
            build.suite_runs.prompts.prompts,
            [raw.length_tokens for answer in reference.answers for raw in answer.raw_answers],
        ),
        threads=settings.threads * settings.workers,
    )
