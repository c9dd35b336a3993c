"""How fast each variant is beside its base: timed once all are judged and nothing else is under way."""

from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.references import primary_reference
from quantgate.flows.build.timing.variant_speed import VariantSpeed, timed_prompt
from quantgate.pipelines.domain.speed import ACCURACY_ONLY, NO_METER, Speed, SpeedRecord
from quantgate.pipelines.files.sealed_values import Missing, required
from quantgate.pipelines.variants.variant import PlannedVariant


def speed_of(identifier: str) -> str:
    """Return what the timing of a variant is called as a unit: its failure is no failure of the variant."""
    return f"speed of {identifier}"


def time_beside_base(build: LocalBuild, planned: PlannedVariant) -> SpeedRecord:
    """Time a variant beside its base, unless that is sealed.

    Where its runtime has no meter nothing is timed, and the record says why.

    Raises:
        InputError: where its sealed files were altered since, or the base was not asked.
        CheckpointError, ToolchainError, ServiceError, WorkerError: from the child processes.
    """
    timing = _timing(build, planned)
    if timing is None:
        return SpeedRecord(speed=None, reason=_meterless(build, planned))
    return timing.made()


def sealed_speed(build: LocalBuild, planned: PlannedVariant) -> Speed | None:
    """Return how fast a variant is beside its base, where the plan asks for that and it was timed."""
    timing = _timing(build, planned) if build.plan.speed else None
    sealed = timing.sealed() if timing is not None else None
    return None if sealed is None or isinstance(sealed, Missing) else sealed.value.speed


def untimed_because(build: LocalBuild, planned: PlannedVariant) -> str:
    """Return why a variant that was not timed has no speed; "" where the plan asks for none."""
    if not build.plan.speed:
        return ""
    has_meter = planned.recipe.runtime in build.tools.speed_meters
    return "not timed" if has_meter else _meterless(build, planned)


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
