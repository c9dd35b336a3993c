"""A store that several hosts share, behind the store of each: looked up, leased, made, sealed, sent.

Whoever is about to make a folder looks here first. Where it lies in the shared store it is fetched; where
another host makes it, this one waits (and does other work meanwhile); else it takes the lease, makes it,
and sends it. A shared store that does not answer stops no build: what is made meanwhile is noted, and
`send_missing` sends it.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.files.interruption import INTERRUPTION
from quantgate.pipelines.files.records import read_record, write_record
from quantgate.pipelines.files.sealed import is_sealed, read_manifest, verify
from quantgate.pipelines.files.second_level import Keep, SecondLevel, saying, while_waiting
from quantgate.pipelines.files.store import MANIFEST
from quantgate.pipelines.sharing.entries import DamagedEntryError, Entries
from quantgate.pipelines.sharing.kinds import SharedKinds
from quantgate.pipelines.sharing.leases import HeldLease, LeasedElsewhere, Leases
from quantgate.pipelines.sharing.objects import SharedObjects

SENDING = "sending"
"""Folder of a local store: what waits to be sent, a file for each folder."""
_LOOK_AGAIN_SECONDS = 60.0
"""After a shared store did not answer, this host goes on alone for so long."""
_POLLS_A_LEASE = 12
_LONGEST_POLL_SECONDS = 5.0
_LARGE_BYTES = 1 << 30
_SEND_TRIES = 3
_SECONDS_BETWEEN_TRIES = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingFolder:
    """A folder that is sealed here and not in the shared store yet; `reason` says why."""

    folder: str
    reason: str


class SharedStore(SecondLevel):
    """One shared store behind the local store at `root`; `say` tells people what they may want to know."""

    def __init__(
        self,
        root: Path,
        objects: SharedObjects,
        kinds: SharedKinds,
        *,
        lease_seconds: float,
        say: Callable[[str], None],
    ) -> None:
        """Nothing is asked yet."""
        self._root, self.objects, self._kinds, self._say = root, objects, kinds, say
        self.entries = Entries(objects, root)
        owner = f"{socket.gethostname()} (process {os.getpid()})"
        self.leases = Leases(objects, owner=owner, seconds=lease_seconds)
        self._poll_seconds = min(_LONGEST_POLL_SECONDS, lease_seconds / _POLLS_A_LEASE)
        self._away_until = 0.0
        self._gate = threading.Lock()

    @contextmanager
    @override
    def turn(self, folder: Path) -> Iterator[Keep]:
        name = folder.relative_to(self._root).as_posix()
        if not self._kinds.include(name):
            yield lambda: None
            return
        lease = self._fetched_or_leased(name)
        sent = False

        def keep() -> None:
            nonlocal sent
            sent = self._keep(name)

        try:
            yield keep
        finally:
            if lease is not None:
                lease.give_up(made=sent)

    @override
    def look(self, folder: Path) -> None:
        name = folder.relative_to(self._root).as_posix()
        if self._kinds.include(name) and not self._is_away():
            try:
                self._fetch(name)  # whoever makes it says what is damaged
            except ServiceError as error:
                self._went_away(error)

    def _fetched_or_leased(self, folder: str) -> HeldLease | None:
        """Return the lease with which to make a folder; None where it is sealed here, or nobody answers."""
        while not is_sealed(self._root / folder) and not self._is_away():
            try:
                taken = self._taken(folder)
                if not isinstance(taken, LeasedElsewhere):
                    return taken
                self._wait_for(folder, taken.owner)
            except ServiceError as error:
                self._went_away(error)
        return None

    def _wait_for(self, folder: str, owner: str | None) -> None:
        """Wait until a folder is sealed here or nobody makes it elsewhere; no place is held meanwhile."""
        with while_waiting():
            while owner is not None:
                reason = f"waiting for {owner or 'another host'}, which makes {folder}"
                self._say(reason)
                with saying(reason):
                    owner = self._next_owner(folder, owner)

    def _next_owner(self, folder: str, owner: str) -> str | None:
        """Wait until somebody else than `owner` makes a folder, and return who; None where nobody does."""
        holder: str | None = owner
        while holder == owner or holder == "":  # "" is not known just now
            self._pause(folder)
            self._fetch(folder)
            holder = None if is_sealed(self._root / folder) else self.leases.holder(folder)
        return holder

    def _taken(self, folder: str) -> HeldLease | LeasedElsewhere | None:
        """Fetch a folder, or take its lease, or say who has it; None where it is sealed here by now."""
        # Damage is judged and said by who has the lease: another may mend it meanwhile.
        self._fetch(folder)
        if is_sealed(self._root / folder):
            return None
        taken = self.leases.take(folder)
        if isinstance(taken, LeasedElsewhere):
            return taken
        taken.start_renewing()
        try:
            if damage := self._fetch(folder):
                self._say(damage)
                self.entries.remove(folder)
            elif is_sealed(self._root / folder):  # made since we looked
                taken.give_up(made=True)
                return None
        except BaseException:
            taken.give_up(made=False)
            raise
        return taken

    def _fetch(self, folder: str) -> str | None:
        """Fetch a folder where it is there; return what is wrong where what is there is damaged."""
        try:
            if (size_bytes := self.entries.size_bytes(folder)) is not None:
                with _travelling(f"fetching it from {self.objects.address}", size_bytes):
                    self.entries.fetch(folder)
        except DamagedEntryError as error:
            return str(error)
        return None

    def _pause(self, folder: str) -> None:
        """Wait a while, or until it is sealed here: another process of this host may be who makes it."""
        until = time.monotonic() + self._poll_seconds
        while time.monotonic() < until and not is_sealed(self._root / folder):
            INTERRUPTION.check(where=folder)
            time.sleep(min(0.2, self._poll_seconds))

    def _keep(self, folder: str) -> bool:
        """Send a folder that was sealed just now; whether it lies there. What cannot be sent waits."""
        size_bytes = read_manifest(self._root / folder, object).size_bytes
        if self._too_large(folder, size_bytes):
            return False
        if self._is_away():
            self._queue(folder, "the shared store did not answer")
            return False
        self._queue(folder, "it was not sent to its end")
        try:
            with _travelling(f"sending it to {self.objects.address}", size_bytes):
                self._send(folder)
        except ServiceError as error:
            self._queue(folder, error.what)
            self._went_away(error)
            return False
        _waiting_file(self._root, folder).unlink(missing_ok=True)
        return True

    def _send(self, folder: str) -> int:
        for left in reversed(range(_SEND_TRIES)):
            try:
                return self.entries.send(folder)
            except ServiceError as error:
                if not (left and error.transient):
                    raise
                INTERRUPTION.check(where=folder)
                time.sleep(_SECONDS_BETWEEN_TRIES)
        raise AssertionError("the last try raises")

    def _too_large(self, folder: str, size_bytes: int) -> bool:
        if size_bytes <= self._kinds.largest_bytes:
            return False
        self._say(f"{folder} is above the limit of the shared store and stays on this host")
        return True

    def send_missing(self, folder: str) -> int:
        """Send a folder that is sealed here, and return the bytes that went; 0 where none had to.

        Raises:
            InputError: it was altered since it was sealed, or cannot be read: it goes on waiting.
            ServiceError: the shared store does not answer, or refuses.
        """
        sent_bytes, place = 0, self._root / folder
        try:
            if is_sealed(place):  # not removed meanwhile
                manifest = read_manifest(place, object)
                if self._kinds.include(folder) and not self._too_large(folder, manifest.size_bytes):
                    if self.entries.size_bytes(folder) is None:
                        verify(place, manifest)
                    sent_bytes = self._send(folder)
        except OSError as error:
            raise InputError(
                f"cannot be read ({error.strerror or error})",
                where=str(place),
                next_step="let this user read it",
            ) from error
        _waiting_file(self._root, folder).unlink(missing_ok=True)
        return sent_bytes

    def sealed_here(self) -> Iterator[str]:
        """Yield the folders of the local store that are shared, by name."""
        for manifest in sorted(self._root.rglob(MANIFEST)):
            folder = manifest.parent.relative_to(self._root).as_posix()
            if self._kinds.include(folder):
                yield folder

    def _queue(self, folder: str, reason: str) -> None:
        write_record(_waiting_file(self._root, folder), WaitingFolder(folder=folder, reason=reason))

    def _is_away(self) -> bool:
        return time.monotonic() < self._away_until

    def _went_away(self, error: ServiceError) -> None:
        with self._gate:
            if not self._is_away():
                self._say(
                    f"{error.where}: {error.what}; this host goes on alone and asks again in "
                    f"{_LOOK_AGAIN_SECONDS:.0f} s (`quantgate store push` sends what waits)"
                )
            self._away_until = time.monotonic() + _LOOK_AGAIN_SECONDS


def _travelling(reason: str, size_bytes: int) -> AbstractContextManager[None]:
    """Say that a folder is on its way; while a large one is, another unit may have this one's place."""
    return while_waiting(reason) if size_bytes >= _LARGE_BYTES else saying(reason)


def waiting_folders(root: Path) -> tuple[WaitingFolder, ...]:
    """Return what of a local store waits to be sent; a damaged note is none."""
    waiting: list[WaitingFolder] = []
    for path in sorted((root / SENDING).glob("*.json")):
        try:
            waiting.append(read_record(WaitingFolder, path))
        except InputError:
            continue
    return tuple(waiting)


def _waiting_file(root: Path, folder: str) -> Path:
    return root / SENDING / f"{digest_of([folder])[:16]}.json"
