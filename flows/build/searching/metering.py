"""How fast what a search may try is: measured before anything is asked, or refused in a line."""

from quantgate.flows.build.errors import read_errors
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.references import primary_reference
from quantgate.flows.build.timing.speeds import sealed_speed, speed_of
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.sealed_values import Missing
from quantgate.pipelines.variants.variant import PlannedVariant

_GENERATION = "generated_tokens_per_second"


def require_meters(build: LocalBuild) -> None:
    """Refuse recipes whose runtime nothing here times: it is not the one that serves them.

    Raises:
        InputError: naming them and their runtimes.
    """
    meters = build.tools.speed_meters
    untimed = [v for v in build.plan.variants if v.recipe.runtime not in meters]
    if untimed:
        runtimes = sorted({variant.recipe.runtime for variant in untimed})
        names = sorted({variant.recipe.name for variant in untimed})
        raise InputError(
            f"{', '.join(names)} cannot be timed in {' and '.join(runtimes)}",
            where="--search speed",
            next_step=f"leave them out with --recipes; timed is what {' and '.join(sorted(meters))} serves",
        )


def measured_speed(build: LocalBuild, planned: PlannedVariant) -> float | None:
    """Return a variant's tokens a second over those of its base; None where it is not timed yet."""
    if not planned.built(build.settings.store):
        return None
    if isinstance(primary_reference(build, planned.recipe.runtime), Missing):
        return None
    speed = sealed_speed(build, planned)
    figure = speed.figure(_GENERATION) if speed else None
    return figure.ratio.median if figure else None


def could_not_be_timed(build: LocalBuild, planned: PlannedVariant) -> bool:
    """Whether timing a variant failed in this try."""
    name = speed_of(planned.identifier)
    return any(error.identifier == name for error in read_errors(build.plan, build.settings))
