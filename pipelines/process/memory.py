"""The memory that this process may use: the machine's, or its control group's if that is less."""

import os
from contextlib import suppress
from pathlib import Path

from quantgate.pipelines.process.control_group import ControlGroups

_MEMORY_INFORMATION = Path("/proc/meminfo")
_PROCESSES = Path("/proc")
_KIBI = 1024


def available_bytes(
    information: Path = _MEMORY_INFORMATION, groups: ControlGroups | None = None
) -> int:
    """Return the memory that may still be used: the machine's, or a control group's if that is less.

    Reads `MemAvailable` of /proc/meminfo. Where the system tells nothing, nothing runs side by side.
    """
    machine, limited = _row(information), (groups or ControlGroups()).free_memory_bytes()
    return machine if limited is None else min(machine, limited)


def total_bytes(
    information: Path = _MEMORY_INFORMATION, groups: ControlGroups | None = None
) -> int:
    """Return all the memory there is, used or not: the machine's, or a control group's if that is less."""
    machine = _row(information, "MemTotal:")
    limit = (groups or ControlGroups()).memory_limit_bytes()
    return machine if limit is None else min(machine, limit)


def tree_resident_bytes(process: int | None = None, processes: Path = _PROCESSES) -> int | None:
    """Return the memory that a process (this one by default) and its descendants hold resident.

    Pages that several of them map count for each. None where the system does not tell: not on macOS.
    """
    top = process or os.getpid()
    resident = _resident(processes / str(top))
    if resident is None:
        return None
    below = descendants(top, processes)
    return resident + sum(_resident(processes / str(each)) or 0 for each in below)


def tree_peak_bytes(process: int, processes: Path = _PROCESSES) -> int | None:
    """Return the sum of the most that a process and each of its descendants ever held resident.

    Those that have ended are not in it. None where the system does not tell.
    """
    peak = peak_resident_bytes(processes / str(process))
    if peak is None:
        return None
    below = descendants(process, processes)
    return peak + sum(peak_resident_bytes(processes / str(each)) or 0 for each in below)


def peak_resident_bytes(process: Path) -> int | None:
    """Return the most that a process (its folder in /proc) ever held; None where that is not told."""
    try:
        status = (process / "status").read_text()
    except OSError:
        return None
    peaks = [int(row.split()[1]) * _KIBI for row in status.splitlines() if row.startswith("VmHWM:")]
    return peaks[0] if peaks else None


def descendants(process: int, processes: Path = _PROCESSES) -> tuple[int, ...]:
    """Return the processes that a process started, and those that these started, as far as they live."""
    children = _children(processes / str(process))
    return (*children, *(each for child in children for each in descendants(child, processes)))


def _resident(process: Path) -> int | None:
    try:
        return int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return None


def _children(process: Path) -> list[int]:
    children: list[int] = []
    for thread in process.glob("task/*/children"):
        with suppress(OSError):
            children += map(int, thread.read_text().split())
    return children


def _row(information: Path, name: str = "MemAvailable:") -> int:
    try:
        lines = information.read_text().splitlines()
    except OSError:
        return 0
    for line in lines:
        if line.startswith(name):
            return int(line.split()[1]) * _KIBI
    return 0
