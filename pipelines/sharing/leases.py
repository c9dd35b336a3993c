"""Who makes what: leases in a shared store, which expire unless they are renewed.

All that is asked of the place is that of many who create one object at once, one succeeds. A lease is the
object with the highest number under `leases/<folder>/`. It holds while its owner writes it anew; the
place's own clock tells when that was, so clocks of hosts may differ. Who takes an expired or released one
over creates the next number.

A host that was suspended may come back after its lease was taken over. It sees the higher number at its
next renewal, and may finish: what it made has the same key, and the manifest that lies there first stays.
"""

import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.sharing.objects import SharedObjects

LEASES = "leases"
CLOCKS = "clocks"
_RENEWALS_A_LEASE = 4
"""How often a lease is renewed in the time in which it would expire: three renewals may fail."""
_CLOCK_STEP_SECONDS = 1.0
"""Object stores tell whole seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What stands in a lease's object; `owner` is host and process, for people, `token` tells two apart."""

    owner: str
    token: str
    seconds: float
    renewals: int = 0
    released: bool = False

    def encoded(self) -> bytes:
        """Return its bytes."""
        return json.dumps(
            {name: getattr(self, name) for name in self.__dataclass_fields__}
        ).encode()

    @classmethod
    def decoded(cls, content: bytes) -> "Lease":
        """Read it; one that is damaged is one that nobody holds."""
        try:
            written = json.loads(content)
            return cls(**{name: written[name] for name in cls.__dataclass_fields__})
        except (ValueError, TypeError, KeyError):
            return cls(owner="", token="", seconds=0.0, released=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedElsewhere:
    """Another host makes it; `owner` says who, as far as that is known."""

    owner: str


@dataclass(eq=False, slots=True, kw_only=True)
class HeldLease:
    """A lease of this process, renewed by a thread until it is given up."""

    folder: str
    name: str
    lease: Lease
    objects: SharedObjects
    clock: Callable[[], float] = time.monotonic
    _ended: threading.Event = field(default_factory=threading.Event, init=False)
    _writing: threading.Lock = field(default_factory=threading.Lock, init=False)
    _taken_over: bool = field(default=False, init=False)
    _renewed_at: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        """Count from its creation."""
        self._renewed_at = self.clock()

    @property
    def lost(self) -> bool:
        """Whether another may have it: it was taken over, or was not renewed in time."""
        return self._taken_over or self.clock() - self._renewed_at > self.lease.seconds

    def start_renewing(self) -> None:
        """Renew it from now on."""
        threading.Thread(
            target=self._keep_renewing, name=f"lease {self.folder}", daemon=True
        ).start()

    def renew(self) -> None:
        """Write it anew, unless it was taken over.

        Raises:
            ServiceError: the place does not answer.
        """
        with self._writing:
            if self._ended.is_set():
                return
            asked_at = self.clock()
            if _latest(self.objects, self.folder) != self.name:
                self._taken_over = True
                return
            self.lease = replace(self.lease, renewals=self.lease.renewals + 1)
            self.objects.write(self.name, self.lease.encoded())
            self._renewed_at = asked_at

    def give_up(self, *, made: bool) -> None:
        """Let others have it; `made`: the folder lies in the shared store, and nobody needs a lease."""
        self._ended.set()
        with self._writing:  # a renewal that is under way would write it once more
            if self.lost:
                return
            try:
                if made:
                    for name in self.objects.listed(f"{LEASES}/{self.folder}/"):
                        self.objects.remove(name)
                else:
                    self.objects.write(self.name, replace(self.lease, released=True).encoded())
            except ServiceError:
                return  # it expires

    def _keep_renewing(self) -> None:
        while not self._ended.wait(self.lease.seconds / _RENEWALS_A_LEASE):
            try:
                self.renew()
            except ServiceError:
                continue  # once more before it expires
            if self._taken_over:
                return


class Leases:
    """The leases of one shared store, as one process takes them."""

    def __init__(self, objects: SharedObjects, *, owner: str, seconds: float) -> None:
        """Take leases as `owner`, each for so long unless it is renewed."""
        self._objects, self._owner, self._seconds = objects, owner, seconds
        self._clock = f"{CLOCKS}/{uuid.uuid4().hex}/"

    def take(self, folder: str) -> HeldLease | LeasedElsewhere:
        """Take the lease of a folder of the store, or say who has it. It is not renewed yet.

        Raises:
            ServiceError: the place does not answer.
        """
        latest = _latest(self._objects, folder)
        if latest is not None and (owner := self._living_owner(folder, latest)) is not None:
            return LeasedElsewhere(owner=owner)
        number = 1 if latest is None else _number(latest) + 1
        name = f"{LEASES}/{folder}/{number:08}.json"
        lease = Lease(owner=self._owner, token=uuid.uuid4().hex, seconds=self._seconds)
        if not self._objects.create(name, lease.encoded()) and not self._is_ours(name, lease):
            return LeasedElsewhere(owner=self._owner_of(name))
        *lower, highest = sorted({*self._objects.listed(f"{LEASES}/{folder}/"), name})
        if highest != name:
            return LeasedElsewhere(owner=self._owner_of(highest))
        for each in lower:
            self._objects.remove(each)
        return HeldLease(folder=folder, name=name, lease=lease, objects=self._objects)

    def holder(self, folder: str) -> str | None:
        """Return who has the lease of a folder, None where nobody has.

        Raises:
            ServiceError: the place does not answer.
        """
        latest = _latest(self._objects, folder)
        return None if latest is None else self._living_owner(folder, latest)

    def now(self) -> float:
        """Return the time by the clock of the place, in seconds since 1970."""
        self._objects.write(f"{self._clock}now", b"")
        return self._objects.listed(self._clock)[f"{self._clock}now"].modified_at

    def close(self) -> None:
        """Remove what this process asked the time with."""
        self._objects.remove(f"{self._clock}now")

    def _living_owner(self, folder: str, name: str) -> str | None:
        """Return who holds a lease, None where it was released or has expired."""
        content = self._objects.read(name)
        stored = self._objects.listed(f"{LEASES}/{folder}/").get(name)
        if content is None or stored is None:
            return ""  # given up just now: the next look tells
        lease = Lease.decoded(content)
        expires_at = stored.modified_at + lease.seconds + _CLOCK_STEP_SECONDS
        return None if lease.released or self.now() > expires_at else lease.owner

    def _is_ours(self, name: str, lease: Lease) -> bool:
        """Whether a creation that was refused is our own, whose first reply was lost."""
        return self._objects.read(name) == lease.encoded()

    def _owner_of(self, name: str) -> str:
        content = self._objects.read(name)
        return Lease.decoded(content).owner if content is not None else ""


def _latest(objects: SharedObjects, folder: str) -> str | None:
    """Return the name of the lease that counts, None where there is none."""
    return max(objects.listed(f"{LEASES}/{folder}/"), default=None)


def _number(name: str) -> int:
    return int(name.rpartition("/")[2].removesuffix(".json"))
