"""Why units of a build have no verdict, kept beside its plan until they are tried again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.results.unit_error import BUILD, UnitError
from quantgate.flows.settings import Settings
from quantgate.pipelines.audit.bench.bench import base_in
from quantgate.pipelines.domain.errors import InterruptionError, QuantgateError, ServiceError
from quantgate.pipelines.files.disk.full import full_disk
from quantgate.pipelines.files.interruption import INTERRUPTION
from quantgate.pipelines.files.records import read_record, write_record
from quantgate.pipelines.process.endings.last_words import words_of
from quantgate.pipelines.variants.variant import PlannedVariant


@contextmanager
def guarded(build: LocalBuild, identifier: str, step: str) -> Iterator[None]:
    """As `failures_kept`; and where the block succeeds, forget what an earlier try of the unit left."""
    with failures_kept(build, identifier, step):
        yield
    forget_error(build, identifier)


@contextmanager
def failures_kept(build: LocalBuild, identifier: str, step: str) -> Iterator[None]:
    """Let a block do a unit's work; keep the reason of a final failure where the report finds it.

    Raises:
        InterruptionError: the program is ending; nothing was found out about the unit.
        QuantgateError: whatever went wrong, also where nobody thought of it.
    """
    INTERRUPTION.check(identifier)
    try:
        yield
    except InterruptionError:
        raise
    except QuantgateError as error:
        record_error(build, identifier, step, error)
        raise
    except Exception as error:
        unexpected = full_disk(error, build.settings.store.root) or QuantgateError(
            f"unexpected {words_of(error)}", where=identifier
        )
        record_error(build, identifier, step, unexpected)
        raise unexpected from error  # whose text holds no secret: Prefect keeps it


def errors_folder(plan: BuildPlan, settings: Settings) -> Path:
    """Return where the errors of a build's units are kept until they are tried again."""
    return settings.store.root / "plans" / plan.name / "errors"


def record_error(build: LocalBuild, identifier: str, step: str, error: QuantgateError) -> None:
    """Keep why a unit failed."""
    folder = errors_folder(build.plan, build.settings)
    write_record(
        folder / f"{identifier}.json",
        UnitError(
            identifier=identifier,
            step=step,
            text=str(error),
            exit_code=error.exit_code,
            transient=isinstance(error, ServiceError) and error.transient,
        ),
    )


def read_errors(plan: BuildPlan, settings: Settings) -> tuple[UnitError, ...]:
    """Return what failed in the latest try."""
    folder = errors_folder(plan, settings)
    return tuple(read_record(UnitError, path) for path in sorted(folder.glob("*.json")))


def forget_errors(plan: BuildPlan, settings: Settings) -> None:
    """Start a new try."""
    for path in errors_folder(plan, settings).glob("*.json"):
        path.unlink(missing_ok=True)


def forget_error(build: LocalBuild, identifier: str) -> None:
    """A retry of this unit succeeded."""
    folder = errors_folder(build.plan, build.settings)
    (folder / f"{identifier}.json").unlink(missing_ok=True)


def is_refused(plan: BuildPlan, planned: PlannedVariant, errors: tuple[UnitError, ...]) -> bool:
    """Whether the files that a variant's unit builds have no judge left: the base failed in every runtime."""
    failed = {error.identifier for error in errors}
    return all(base_in(name) in failed for name in plan.judges(planned))


def errors_of(
    plan: BuildPlan, planned: PlannedVariant, errors: tuple[UnitError, ...]
) -> tuple[UnitError, ...]:
    """The errors that concern a variant: its own, its base's, and that of the unit that builds its files."""
    names = {planned.identifier, base_in(planned.recipe.runtime)}
    builder = plan.builder(planned).identifier
    return tuple(
        error
        for error in errors
        if error.identifier in names or (error.identifier == builder and error.step == BUILD)
    )
