"""Room on this machine: how many units may hold memory, and the accelerator, at the same time.

Prefect's threads run as many units side by side as there are workers. A unit that would not fit into
memory beside those under way waits here, and one that computes on an accelerator has it to itself.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.run import RuntimeIdentity
from quantgate.pipelines.files.locks import exclusive
from quantgate.pipelines.process.control_group import ControlGroups
from quantgate.pipelines.variants.variant import PlannedVariant

_MEMORY_INFORMATION = Path("/proc/meminfo")
_KIBI = 1024


_BYTES_A_WEIGHT = 2
_RUN = (1.5, 1_000_000_000)
_COMPARE = (2.2, 1_500_000_000)
_BUILDS = {"llamacpp": (1.5, 600_000_000), "llmcompressor": (2.5, 1_200_000_000)}
_OTHER_BUILDS = (3.0, 1_200_000_000)
"""Peak memory as a multiple of the weights in 16 bits, and what libraries take of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a unit takes while it is under way; `device` is `cpu` or an accelerator's name."""

    size_bytes: int
    device: str


def needed_to_build(checkpoint: Checkpoint, planned: PlannedVariant) -> Need:
    """Estimate what a backend takes."""
    factor = _BUILDS.get(planned.recipe.options.backend, _OTHER_BUILDS)
    return Need(size_bytes=_estimate(checkpoint, factor), device=planned.toolchain.device)


def needed_to_run(checkpoint: Checkpoint, identity: RuntimeIdentity) -> Need:
    """Estimate what a runtime takes to hold the base, or a variant expanded to 16 bits."""
    return Need(size_bytes=_estimate(checkpoint, _RUN), device=identity.device)


def needed_to_compare(checkpoint: Checkpoint) -> Need:
    """Estimate what the checkpoint itself takes in float32, which holds it against a runtime's base."""
    return Need(size_bytes=_estimate(checkpoint, _COMPARE), device="cpu")


def _estimate(checkpoint: Checkpoint, factor: tuple[float, int]) -> int:
    times, fixed_bytes = factor
    return int(times * checkpoint.parameter_count * _BYTES_A_WEIGHT) + fixed_bytes


class Memory:
    """Bytes that units hold. `available` tells what there is; it is asked while nobody holds any."""

    def __init__(self, available: Callable[[], int]) -> None:
        """Start with nothing held."""
        self._available = available
        self._changed = threading.Condition()
        self._capacity = 0
        self._held: list[int] = []

    @contextmanager
    def hold(self, size_bytes: int) -> Iterator[None]:
        """Wait until this much fits beside what is held, and hold it.

        A unit larger than all there is runs alone: an estimate must not keep it from trying.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._fits(size_bytes))
            self._held.append(size_bytes)
        try:
            yield
        finally:
            with self._changed:
                self._held.remove(size_bytes)
                self._changed.notify_all()

    def _fits(self, size_bytes: int) -> bool:
        if not self._held:
            self._capacity = self._available()
            return True
        return sum(self._held) + size_bytes <= self._capacity


class Room:
    """Memory and the accelerator's turn; `turn` is the lock file of this machine's accelerator."""

    def __init__(self, memory: Memory, turn: Path) -> None:
        """Remember both."""
        self._memory, self._turn = memory, turn

    @contextmanager
    def take(self, need: Need) -> Iterator[None]:
        """Hold memory, and the accelerator too where one is needed."""
        with ExitStack() as held:
            if need.device != "cpu":
                held.enter_context(exclusive(self._turn))
            held.enter_context(self._memory.hold(need.size_bytes))
            yield


def available_bytes(
    information: Path = _MEMORY_INFORMATION, groups: ControlGroups | None = None
) -> int:
    """Return the memory that may still be used: the machine's, or a control group's if that is less.

    Reads `MemAvailable` of /proc/meminfo. Where the system tells nothing, nothing runs side by side.
    """
    machine, limited = _machine(information), (groups or ControlGroups()).free_memory_bytes()
    return machine if limited is None else min(machine, limited)


def total_bytes(
    information: Path = _MEMORY_INFORMATION, groups: ControlGroups | None = None
) -> int:
    """Return all the memory there is, used or not: the machine's, or a control group's if that is less."""
    machine = _machine(information, "MemTotal:")
    limit = (groups or ControlGroups()).memory_limit_bytes()
    return machine if limit is None else min(machine, limit)


def _machine(information: Path, row: str = "MemAvailable:") -> int:
    try:
        lines = information.read_text().splitlines()
    except OSError:
        return 0
    for line in lines:
        if line.startswith(row):
            return int(line.split()[1]) * _KIBI
    return 0
