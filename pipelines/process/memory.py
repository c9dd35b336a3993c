"""The memory that this process may use: the machine's, or its control group's if that is less."""

from pathlib import Path

from quantgate.pipelines.process.control_group import ControlGroups

_MEMORY_INFORMATION = Path("/proc/meminfo")
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


def _row(information: Path, name: str = "MemAvailable:") -> int:
    try:
        lines = information.read_text().splitlines()
    except OSError:
        return 0
    for line in lines:
        if line.startswith(name):
            return int(line.split()[1]) * _KIBI
    return 0
