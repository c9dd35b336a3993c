"""What the units of this process share: the machine's cores, memory, disk and accelerators.

Every unit has a thread of Prefect's, also while it waits for others. As many as there are workers are under
way side by side; one that would not fit into memory or on the disk beside those waits here, and one that
computes on an accelerator has it to itself.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass

from quantgate.flows.build.resources.devices import Accelerators
from quantgate.flows.build.resources.host import HostMemory
from quantgate.pipelines.domain.errors import InterruptionError
from quantgate.pipelines.files.second_level import giving_back
from quantgate.pipelines.process.devices.placement import placed_on


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a unit takes while it is under way; `device` is `cpu` or an accelerator's name.

    `size_bytes` are of memory, `disk_bytes` of the store's disk.
    """

    size_bytes: int
    device: str
    disk_bytes: int = 0


@dataclass(eq=False, slots=True, kw_only=True)
class _Waiter:
    """A unit that waits for its place."""

    size_bytes: int
    rank: float


class Memory:
    """Bytes that at most `side_by_side` units hold at once.

    `available` tells what there is; it is asked while nobody holds any.
    """

    def __init__(self, available: Callable[[], int], *, side_by_side: int) -> None:
        """Start with nothing held."""
        self._available, self._side_by_side = available, side_by_side
        self._changed = threading.Condition()
        self._capacity = 0
        self._held: list[int] = []
        self._waiting: list[_Waiter] = []

    @contextmanager
    def hold(self, size_bytes: int, rank: float = 0.0) -> Iterator[None]:
        """Wait until this much fits beside what is held, and hold it; of what fits, the highest rank first.

        A unit larger than all there is runs alone: an estimate must not keep it from trying.
        """
        waiter = _Waiter(size_bytes=size_bytes, rank=rank)
        with self._changed:
            self._waiting.append(waiter)
            try:
                self._changed.wait_for(lambda: self._is_next(waiter))
                self._held.append(size_bytes)
            finally:
                self._waiting.remove(waiter)
                self._changed.notify_all()  # another may fit beside it, or was only behind it
        try:
            yield
        finally:
            with self._changed:
                self._held.remove(size_bytes)
                self._changed.notify_all()

    def _is_next(self, waiter: "_Waiter") -> bool:
        """Whether this one fits, and none of those that came before it or rank higher does."""
        fitting = [each for each in self._waiting if self._fits(each.size_bytes)]
        return bool(fitting) and max(fitting, key=lambda each: each.rank) is waiter

    def _fits(self, size_bytes: int) -> bool:
        if not self._held:
            self._capacity = self._available()
            return True
        if len(self._held) >= self._side_by_side:
            return False
        return sum(self._held) + size_bytes <= self._capacity


class _Place:
    """What one unit holds, which it can give back and have again."""

    def __init__(self, hold: Callable[[], AbstractContextManager[None]]) -> None:
        """Hold nothing yet."""
        self._hold, self._held = hold, ExitStack()
        self._taken = False

    def take(self) -> None:
        """Wait for it, and hold it."""
        self._held.enter_context(self._hold())
        self._taken = True

    def close(self) -> None:
        """Hold it no longer, if at all."""
        self._taken = False
        self._held.close()

    @contextmanager
    def given_back(self) -> Iterator[None]:
        """Let others have it until the block ends, also where it fails: some go on without what they wanted.

        Who is interrupted does not have it again.
        """
        again = self._taken
        self.close()
        try:
            yield
        except BaseException as error:
            again = again and _may_go_on(error)
            raise
        finally:
            if again:
                self.take()


def _may_go_on(error: BaseException) -> bool:
    return isinstance(error, Exception) and not isinstance(error, InterruptionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What units of this process hold of the machine.

    `memory_of_all` and `disk_of_all` are what units of other processes hold too, None where this process runs
    all of them.
    """

    memory: Memory
    disk: Memory
    accelerators: Accelerators
    memory_of_all: HostMemory | None = None
    disk_of_all: HostMemory | None = None

    @contextmanager
    def hold(self, need: Need, rank: float = 0.0) -> Iterator[None]:
        """Hold all that a unit needs; the highest rank goes first, and children compute on the device held.

        A unit that waits for what others make gives all of it back meanwhile.
        """
        place = _Place(lambda: self._hold(need, rank))
        with closing(place), giving_back(place.given_back):
            place.take()
            yield

    @contextmanager
    def _hold(self, need: Need, rank: float) -> Iterator[None]:
        """Everybody takes what is needed in this order, so that nobody waits for who waits for them."""
        with ExitStack() as stack:
            held: tuple[str, ...] = ()
            if need.device != "cpu":
                held = stack.enter_context(self.accelerators.hold(rank))
            stack.enter_context(placed_on(held))
            stack.enter_context(self.memory.hold(need.size_bytes, rank))
            if self.memory_of_all is not None:
                stack.enter_context(self.memory_of_all.hold(need.size_bytes))
            if need.disk_bytes:
                stack.enter_context(self.disk.hold(need.disk_bytes, rank))
                if self.disk_of_all is not None:
                    stack.enter_context(self.disk_of_all.hold(need.disk_bytes))
            yield
