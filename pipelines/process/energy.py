"""What this machine's processors took, as RAPL counts it.

Source: Documentation/power/powercap of the Linux kernel (`energy_uj` counts microjoules and begins anew after
`max_energy_range_uj`). Since 2020 kernels let root alone read it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorEnergy:
    """One package (a socket's cores and what is beside them) as RAPL counts it."""

    folder: Path

    def joules(self) -> float | None:
        """Return what it says now; None where it cannot be read."""
        return _microjoules(self.folder / "energy_uj")

    def between(self, start_joules: float, end_joules: float) -> float:
        """Return what was taken between two readings."""
        if end_joules >= start_joules:
            return end_joules - start_joules
        return end_joules - start_joules + (_microjoules(self.folder / "max_energy_range_uj") or 0)


def energy_meters(powercap: Path = _POWERCAP) -> tuple[ProcessorEnergy, ...]:
    """Return the meters of this machine's processors that can be read; none is the usual case.

    Of RAPL's zones those of packages count: `psys`, where there is one, counts these and the rest once more.
    """
    meters = (
        ProcessorEnergy(folder=folder)
        for folder in sorted(powercap.glob("intel-rapl:*"))
        if _name(folder).startswith("package")
    )
    return tuple(meter for meter in meters if meter.joules() is not None)


def _name(folder: Path) -> str:
    try:
        return (folder / "name").read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


class EnergyMeter(Protocol):
    """What counts joules."""

    def joules(self) -> float | None:
        """Return what it says now; None where it cannot be read."""
        ...

    def between(self, start_joules: float, end_joules: float) -> float:
        """Return what was taken between two readings."""
        ...


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
