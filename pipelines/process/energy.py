"""What a machine's own meters say it took: processors by RAPL, NVIDIA's accelerators by NVML.

Sources: Documentation/power/powercap of the Linux kernel (`energy_uj` counts microjoules and begins anew
after `max_energy_range_uj`); nvmlDeviceGetTotalEnergyConsumption of NVIDIA's management library
(millijoules since the driver was loaded). Since 2020 kernels let root alone read RAPL.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from typing_extensions import override

_POWERCAP = Path("/sys/class/powercap")
_NVML = "libnvidia-ml.so.1"


class EnergyMeter(Protocol):
    """A counter that only grows, but for the point at which it begins anew."""

    def joules(self) -> float | None:
        """Return what it says now; None where it cannot be read."""
        ...

    def between(self, start_joules: float, end_joules: float) -> float:
        """Return what was taken between two readings."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorEnergy(EnergyMeter):
    """One package (a socket's cores and what is beside them) as RAPL counts it."""

    folder: Path

    @override
    def joules(self) -> float | None:
        return _microjoules(self.folder / "energy_uj")

    @override
    def between(self, start_joules: float, end_joules: float) -> float:
        if end_joules >= start_joules:
            return end_joules - start_joules
        return end_joules - start_joules + (_microjoules(self.folder / "max_energy_range_uj") or 0)


@dataclass(frozen=True, slots=True)
class AcceleratorEnergy(EnergyMeter):
    """The first accelerator, as NVML counts it."""

    library: ctypes.CDLL
    device: ctypes.c_void_p

    @override
    def joules(self) -> float | None:
        millijoules = ctypes.c_ulonglong()
        code = self.library.nvmlDeviceGetTotalEnergyConsumption(
            self.device, ctypes.byref(millijoules)
        )
        return None if code else millijoules.value / 1e3

    @override
    def between(self, start_joules: float, end_joules: float) -> float:
        return end_joules - start_joules


def energy_meters(device: str, powercap: Path = _POWERCAP) -> tuple[EnergyMeter, ...]:
    """Return the meters of what computes that can be read here; none is the usual case."""
    meters: list[EnergyMeter] = [
        ProcessorEnergy(folder=folder) for folder in sorted(powercap.glob("intel-rapl:?"))
    ]
    if device != "cpu" and (accelerator := _accelerator()) is not None:
        meters.append(accelerator)
    return tuple(meter for meter in meters if meter.joules() is not None)


class EnergyWatch:
    """Adds up what all meters say was taken since it was made."""

    def __init__(self, meters: Sequence[EnergyMeter]) -> None:
        """Read every meter."""
        self._starts = [(meter, meter.joules()) for meter in meters]

    def joules(self) -> float | None:
        """Return what was taken since; None where there is no meter, or one cannot be read any more."""
        taken = []
        for meter, start in self._starts:
            end = meter.joules()
            if start is None or end is None:
                return None
            taken.append(meter.between(start, end))
        return sum(taken) if taken else None


def _microjoules(file: Path) -> float | None:
    try:
        return int(file.read_text(encoding="ascii")) / 1e6
    except (OSError, ValueError):
        return None


def _accelerator() -> AcceleratorEnergy | None:
    try:
        library = ctypes.CDLL(_NVML)
        device = ctypes.c_void_p()
        if library.nvmlInit_v2() or library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(device)):
            return None
    except (OSError, AttributeError):
        return None
    return AcceleratorEnergy(library, device)
