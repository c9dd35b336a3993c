"""What this machine's NVIDIA accelerators took, as their driver counts it.

Source: NVIDIA's NVML API reference, `nvmlDeviceGetTotalEnergyConsumption`: millijoules since the driver was
loaded, of accelerators since Volta.
"""

import ctypes
from dataclasses import dataclass

_LIBRARY = "libnvidia-ml.so.1"
_SUCCESS = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceleratorEnergy:
    """One accelerator, by the driver's library and the handle that it gave for it."""

    library: ctypes.CDLL
    handle: int

    def joules(self) -> float | None:
        """Return what it says now; None where it does not count, or cannot be asked any more."""
        taken = ctypes.c_ulonglong()
        code = self.library.nvmlDeviceGetTotalEnergyConsumption(
            ctypes.c_void_p(self.handle), ctypes.byref(taken)
        )
        return taken.value / 1e3 if code == _SUCCESS else None

    def between(self, start_joules: float, end_joules: float) -> float:
        """Return what was taken between two readings; 64 bits of millijoules do not begin anew."""
        return end_joules - start_joules


def accelerator_meters(library: str = _LIBRARY) -> tuple[AcceleratorEnergy, ...]:
    """Return the meters of all accelerators that count; none where there is no such driver."""
    try:
        nvml = ctypes.CDLL(library)
        if nvml.nvmlInit_v2() != _SUCCESS:
            return ()
        count = ctypes.c_uint()
        if nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)) != _SUCCESS:
            return ()
        meters = (_meter(nvml, index) for index in range(count.value))
        return tuple(each for each in meters if each is not None and each.joules() is not None)
    except (OSError, AttributeError):  # no driver, or one that is older than what is asked of it
        return ()


def _meter(nvml: ctypes.CDLL, index: int) -> AcceleratorEnergy | None:
    handle = ctypes.c_void_p()
    code = nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle))
    if code != _SUCCESS or handle.value is None:
        return None
    return AcceleratorEnergy(library=nvml, handle=handle.value)
