"""`quantgate register --pending`: what waits for its registry is registered."""

from quantgate.flows.build.clearing.usage import in_use
from quantgate.flows.build.planning.preparing import prepare
from quantgate.flows.build.registering import register_waiting
from quantgate.flows.build.results.build_result import PASSED, UNREGISTERED
from quantgate.flows.build.tracking import tracking
from quantgate.flows.settings import Settings
from quantgate.registry.recording.pending import waiting_elsewhere


def register_command() -> int:
    """Register what waits, print what became of it, and return the exit code."""
    settings = Settings.from_environment()
    prepare(settings.store)
    where = tracking(settings)
    with in_use(settings.store):  # so that nobody removes meanwhile what is being registered
        done = register_waiting(settings, lambda _: None)
    for each in done:
        if each.receipt is not None:
            version = each.receipt.version
            outcome = f"version {version}" if version else f"recorded ({each.receipt.decision})"
            print(f"{each.identifier}: {outcome}")
        else:
            print(f"{each.identifier}: still waits: {each.error}")
    if not done:
        print(f"nothing waits for {where.shown}")
    if others := waiting_elsewhere(where):
        print(f"{others} registrations of this store wait for other registries")
    return UNREGISTERED if any(each.receipt is None for each in done) else PASSED
