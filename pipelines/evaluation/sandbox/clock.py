"""How long a sandbox has computed and waited, whatever else its machine does meanwhile.

What runs out of time is a finding and is sealed, so a busy machine must not decide it. Two times are
limited, each by itself: what all processes of a sandbox took from the processors, and the time in which none
of them had anything to compute. A process that waits for a processor or a disk spends neither; where that
goes on for long, it is an error of the run and no finding.
"""

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.errors import WorkerError

LOOK_SECONDS = 0.1
"""How often a sandbox is looked at."""

_PATIENCE_SECONDS = 60.0
_PATIENCE_TIMES = 20.0
_ENDING_SECONDS = 0.5
_RUNNABLE = "RD"
"""States in /proc of a thread that has something to do: on or before a processor, or before a disk."""


class BusyError(WorkerError):
    """The machine gave a sandbox too little of its time to know what its program does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Process:
    parent: int
    ticks: int


class SandboxClock:
    """The time of some sandboxes, named by their outermost processes, from now on."""

    def __init__(
        self, roots: Sequence[int], seconds: float, *, patience_seconds: float | None = None
    ) -> None:
        """Begin; `seconds` limit processor time and idle time, each by itself.

        All of it may take `patience_seconds`, which are many more where they are not said.
        """
        self.seconds = seconds
        self._patience_seconds = patience_seconds or _PATIENCE_SECONDS + _PATIENCE_TIMES * seconds
        self._roots = tuple(roots)
        self._ticks = _ticks(_tree(self._roots))
        self._idle_seconds = 0.0
        self._began = self._looked = time.monotonic()

    def is_late(self, *, silent: bool) -> bool:
        """Say whether a limit is reached; `silent` says that nothing was heard since the last look.

        Raises:
            BusyError: where much time passed and the processes could hardly use it.
        """
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS / 2:
            return False
        tree = _tree(self._roots)
        if silent and not _anything_to_do(tree):
            self._idle_seconds += min(now - self._looked, 2 * LOOK_SECONDS)
        self._looked = now
        used = self._used(tree)
        if used >= self.seconds or self._idle_seconds >= self.seconds:
            return True
        if now - self._began > self._patience_seconds:
            raise BusyError(
                f"a program that may compute for {self.seconds:g} s got {used:.1f} s of processor time in "
                f"{now - self._began:.0f} s: this machine is too busy",
                where="sandbox",
                next_step="run it again when the machine has less to do",
            )
        return False

    def ended_late(self) -> bool:
        """Say whether a sandbox that has just ended was ended by the kernel's limit on processor time."""
        deadline = time.monotonic() + _ENDING_SECONDS
        while time.monotonic() < deadline and not any(_is_over(root) for root in self._roots):
            time.sleep(0.01)  # until then its time is not yet added up
        return self._used(_tree(self._roots)) >= self.seconds

    def _used(self, tree: Mapping[int, _Process]) -> float:
        """Seconds of processor time since the beginning, of processes that have ended as well."""
        return (_ticks(tree) - self._ticks) / os.sysconf("SC_CLK_TCK")


def _ticks(tree: Mapping[int, _Process]) -> int:
    return sum(process.ticks for process in tree.values())


def _anything_to_do(tree: Iterable[int]) -> bool:
    return any(state in _RUNNABLE for process in tree for state in _states(process))


def _tree(roots: Sequence[int]) -> dict[int, _Process]:
    """Return these processes and all that descend from them."""
    every = dict(_processes())
    tree = {root: every[root] for root in roots if root in every}
    while more := {k: v for k, v in every.items() if v.parent in tree and k not in tree}:
        tree |= more
    return tree


def _processes() -> Iterator[tuple[int, _Process]]:
    """Yield every process with its own time and that of its children which have ended (proc(5))."""
    for folder in Path("/proc").glob("[0-9]*"):
        fields = _fields(folder)
        if len(fields) > 14:
            yield (
                int(folder.name),
                _Process(parent=int(fields[1]), ticks=sum(map(int, fields[11:15]))),
            )


def _states(process: int) -> Iterator[str]:
    """Yield the states of a process's threads."""
    for folder in Path(f"/proc/{process}/task").glob("[0-9]*"):
        yield from _fields(folder)[:1]


def _is_over(process: int) -> bool:
    return _fields(Path(f"/proc/{process}"))[:1] in (["Z"], [])


def _fields(folder: Path) -> list[str]:
    """Return the fields of a `stat` file from the state on; none where it is gone."""
    with contextlib.suppress(OSError):
        return (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
    return []
