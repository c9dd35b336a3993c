"""What all steps of the check share, and what a step is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.process.devices.placement import device_environment
from tests.benchmarks.gpu.journal import Budget
from tests.support.project import PROJECT

_OFFLINE = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What all steps share: a folder for stores and logs, the device that is looked at, the time left.

    `items_a_slice` reduces the example to so many items of each slice; None asks all of them.
    """

    folder: Path
    device: str
    budget: Budget
    items_a_slice: int | None = None
    vllm: str | None = None

    def store(self, name: str) -> Path:
        """Return where a build keeps what it makes."""
        return self.folder / name

    def environment(self, device: str) -> dict[str, str]:
        """Return what a child gets that computes on a device."""
        return {"QUANTGATE_DEVICE": device, "PYTHONPATH": str(PROJECT)}

    @property
    def bare_environment(self) -> dict[str, str]:
        """Return what a program of others gets: it sees the device that was chosen, and asks no network."""
        return {"PYTHONPATH": str(PROJECT), **_OFFLINE, **device_environment()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One part of the check: not begun below `least_seconds`, and given `most_seconds` of ten minutes."""

    name: str
    least_seconds: float
    most_seconds: float
    work: Callable[[Check], JsonObject]
