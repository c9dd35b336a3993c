"""Which GPUs a unit's child processes see: those that the unit holds, and no others.

The parent shows them by CUDA_VISIBLE_DEVICES and says in a variable of its own how many they are; a worker
computes on that many or refuses. So nothing is computed on another device than its identity names.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from quantgate.pipelines.process.devices.engines import chosen_devices
from quantgate.pipelines.process.devices.placed import PLACED

_held: ContextVar[tuple[str, ...] | None] = ContextVar("UUIDs of GPUs held", default=None)


@contextmanager
def placed_on(uuids: Sequence[str]) -> Iterator[None]:
    """Until the block ends, children of this thread see these GPUs alone; () hides those that are used."""
    token = _held.set(tuple(uuids))
    try:
        yield
    finally:
        _held.reset(token)


def device_environment() -> dict[str, str]:
    """Return the variables that show a child its GPUs; {} where none are used here, and none are hidden.

    What no unit was given a place for sees the first group.
    """
    if held := _held.get():
        return _showing(held)
    devices = chosen_devices()
    if devices.cpu_alone:
        return _showing(())
    if not devices.groups:
        return {}
    return _showing(devices.uuids[0] if held is None else ())


def _showing(uuids: Sequence[str]) -> dict[str, str]:
    return {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": ",".join(uuids),
        PLACED: str(len(uuids)),
    }
