"""A suite's version asked of the store and of the registry: an edited suite is refused while planning."""

from collections.abc import Callable

from quantgate.flows.settings import Settings
from quantgate.pipelines.authoring.versions import refuse_edited
from quantgate.pipelines.domain.errors import InputError, ServiceError, ToolchainError
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.files.sealed import is_sealed
from quantgate.pipelines.suites.load import SUITE_FILE
from quantgate.registry.recording.suite_contents import other_content, registered_content
from quantgate.registry.tracking import Tracking


def refuse_other_content(suite: Suite, settings: Settings, say: Callable[[str], None]) -> None:
    """Refuse a suite that has the version of another content, in this store or in the registry.

    A registry that cannot be asked now is named; it is asked again when variants are registered.

    Raises:
        InputError: with both digests; or where the registry's address is none.
    """
    refuse_edited(suite, settings.store)
    tracking = Tracking.resolve(settings.store, uri=settings.tracking_uri)
    if is_sealed(suite.folder):  # an imported suite is nobody's to edit
        return
    try:
        registered = registered_content(f"{suite.name}@{suite.version}", tracking)
    except (ServiceError, ToolchainError) as error:
        say(
            f"the registry {error.where}: {error.what}; whether it knows {suite.name}@{suite.version} with "
            "another content shows when variants are registered"
        )
        return
    if registered is not None and registered != suite.digest:
        raise InputError(
            other_content(suite, registered),
            where=tracking.shown,
            next_step=f"raise `version:` in {suite.folder / SUITE_FILE}",
        )
