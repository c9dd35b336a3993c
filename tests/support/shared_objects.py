"""A shared store's place in memory that obeys the protocol, with a clock of its own, and faults."""

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from typing_extensions import override

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.sharing.objects import SharedObjects, StoredObject


@dataclass(eq=False)
class MemoryObjects(SharedObjects):
    """`now` is the place's clock; `before` is called before each request, `after` after it."""

    now: float = 1_000_000.0
    contents: dict[str, bytes] = field(default_factory=dict)
    written_at: dict[str, float] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    before: Callable[[str, str], None] = lambda _verb, _name: None
    after: Callable[[str, str], None] = lambda _verb, _name: None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    @override
    def address(self) -> str:
        return "memory://shelf"

    @override
    def prepare(self) -> None:
        pass

    @override
    def clear_left(self) -> None:
        pass

    @override
    def read(self, name: str) -> bytes | None:
        with _Request(self, "read", name):
            return self.contents.get(name)

    @override
    def write(self, name: str, content: bytes) -> None:
        with _Request(self, "write", name):
            self.contents[name], self.written_at[name] = content, self.now

    @override
    def create(self, name: str, content: bytes) -> bool:
        with _Request(self, "create", name):
            if name in self.contents:
                return False
            self.contents[name], self.written_at[name] = content, self.now
            return True

    @override
    def remove(self, name: str) -> None:
        with _Request(self, "remove", name):
            self.contents.pop(name, None)

    @override
    def listed(self, prefix: str) -> Mapping[str, StoredObject]:
        with _Request(self, "list", prefix):
            return {
                name: StoredObject(size_bytes=len(content), modified_at=self.written_at[name])
                for name, content in self.contents.items()
                if name.startswith(prefix)
            }


class _Request:
    def __init__(self, objects: MemoryObjects, verb: str, name: str) -> None:
        self._objects, self._what = objects, (verb, name)

    def __enter__(self) -> None:
        self._objects.before(*self._what)
        self._objects._lock.acquire()
        self._objects.requests.append(self._what)

    def __exit__(self, *_: object) -> None:
        self._objects._lock.release()
        self._objects.after(*self._what)


def away(_verb: str, _name: str) -> None:
    """What a place does that does not answer."""
    raise ServiceError("does not answer", where="memory://shelf", transient=True)


class Interleaving:
    """Lets one of several threads do its next request, chosen by a seed; other threads go on."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._changed = threading.Condition()
        self._alive: set[int] = set()
        self._at_the_gate: set[int] = set()
        self._chosen: int | None = None

    def run(self, *hosts: Callable[[], None]) -> None:
        """Run each host in a thread to its end."""
        ready = threading.Barrier(len(hosts))

        def begin(host: Callable[[], None]) -> None:
            with self._changed:
                self._alive.add(threading.get_ident())
            ready.wait(timeout=10)
            try:
                host()
            finally:
                with self._changed:
                    self._alive.discard(threading.get_ident())
                    self._choose()

        threads = [threading.Thread(target=begin, args=(host,)) for host in hosts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
            assert not thread.is_alive()

    def step(self, _verb: str, _name: str) -> None:
        """Wait for this thread's turn."""
        me = threading.get_ident()
        if me not in self._alive:
            return
        with self._changed:
            self._at_the_gate.add(me)
            self._choose()
            self._changed.wait_for(lambda: self._chosen == me, timeout=30)
            self._chosen = None
            self._at_the_gate.discard(me)

    def _choose(self) -> None:
        """Choose once all that live are at the gate."""
        if self._chosen is None and self._alive and self._alive == self._at_the_gate:
            self._chosen = self._random.choice(sorted(self._at_the_gate))
            self._changed.notify_all()
