"""The registry, before anything is built: it can be written, and the model's name is this base's."""

from collections.abc import Callable

from quantgate.flows.build.attesting import refuse_unusable_key
from quantgate.flows.build.tracking import UNREACHABLE, tracking
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import InputError, QuantgateError
from quantgate.pipelines.domain.registrable import LONGEST_NAME
from quantgate.pipelines.specs.builds import BuildSpec
from quantgate.registry.opening import check_readiness
from quantgate.registry.recording.names import other_base


def refuse_unready_registry(
    spec: BuildSpec, settings: Settings, say: Callable[[str], None]
) -> None:
    """Refuse to build what could not be registered: a registry that is down, closed, or of another MLflow.

    With `queue` the build goes on: what is judged waits in the store.

    Raises:
        ServiceError, ToolchainError: why the registry could not take it.
        InputError: what passes could not be attested as is asked for.
    """
    refuse_unusable_key(spec, settings)
    where = tracking(settings)
    try:
        check_readiness(where, spec.name)
    except UNREACHABLE as error:
        if not spec.queue:
            raise _with_queue(error) from error
        say(f"{error.where}: {error.what}; what is judged waits in the store (--queue)")


def refuse_taken_name(
    checkpoint: Checkpoint, spec: BuildSpec, settings: Settings, say: Callable[[str], None]
) -> None:
    """Refuse a name that versions of another base have, unless the build or the command line gave it.

    A registry that cannot be asked was refused before, or waits.

    Raises:
        InputError: with the way out.
    """
    try:
        other = other_base(checkpoint, tracking(settings))
    except UNREACHABLE:
        return
    if other is None:
        return
    if spec.name is None:
        raise InputError(
            f"'{checkpoint.name}' is registered for another base: {other}",
            where=checkpoint.source,
            next_step=f"choose a name (--name {_another(checkpoint)}, or `name:` in the build file or the "
            f"releases file); where this is a newer revision of the same base: --name {checkpoint.name}",
        )
    say(f"'{checkpoint.name}' has versions of another base ({other}), and was asked for")


def _with_queue(error: QuantgateError) -> QuantgateError:
    """Return a registry's error that also says how to build all the same."""
    steps = [error.next_step, "build all the same, and register later: --queue"]
    error.next_step = "; or ".join(step for step in steps if step)
    return error


def _another(checkpoint: Checkpoint) -> str:
    return f"{checkpoint.name[: LONGEST_NAME - 2]}-2"
