"""Claims on releases: a revision is built exactly once, by one watcher, also when watchers die.

Each (entry, revision) has a claim file and a lock beside it under `<store>/releases/`. Who works on it
holds the lock, which the kernel lets go when its holder dies; what became of it stands in the file:
`claimed` (somebody began), then `done` or `failed`. A claim that nobody holds and that is not settled
is taken over; `attempts` counts how often, so that a build which kills its watchers can be given up.
"""

import fcntl
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.files.records import read_record, write_record

_NOT_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9._-]+")

State = Literal["claimed", "done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What stands in a claim file; `detail` says how it ended."""

    label: str
    revision: str
    state: State
    attempts: int
    holder: str
    changed_at: datetime
    detail: str = ""

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do."""
        return self.state != "claimed"


class Claims:
    """The claims of one store."""

    def __init__(self, store_root: Path) -> None:
        """Keep claims under `<store>/releases/`."""
        self._root = store_root / "releases"

    def read(self, label: str, revision: str) -> Claim | None:
        """Return the claim on a revision, or None.

        Raises:
            InputError: where the file is damaged.
        """
        path = self._path(label, revision)
        return read_record(Claim, path) if path.exists() else None

    def is_open(self, label: str, revision: str) -> bool:
        """Whether a revision is still to be built: nobody settled it (somebody may be at it)."""
        claim = self.read(label, revision)
        return claim is None or not claim.settled

    @contextmanager
    def taken(self, label: str, revision: str) -> Iterator[Claim | None]:
        """Yield the claim, held until the block ends; None where it is settled or held by another."""
        path = self._path(label, revision)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
                return
            before = self.read(label, revision)
            if before is not None and before.settled:
                yield None
                return
            claim = Claim(
                label=label,
                revision=revision,
                state="claimed",
                attempts=(before.attempts if before else 0) + 1,
                holder=f"{socket.gethostname()}:{os.getpid()}",
                changed_at=_now(),
            )
            self._write(claim)
            yield claim

    def settle(self, claim: Claim, state: Literal["done", "failed"], detail: str) -> None:
        """Write how a held claim ended."""
        self._write(replace(claim, state=state, detail=detail, changed_at=_now()))

    def postpone(self, claim: Claim, detail: str) -> None:
        """Give a held claim back for the next look; this attempt does not count."""
        attempts = claim.attempts - 1
        self._write(replace(claim, attempts=attempts, detail=detail, changed_at=_now()))

    def leave_open(self, claim: Claim, detail: str) -> None:
        """Give a held claim back for the next look; this attempt counts."""
        self._write(replace(claim, detail=detail, changed_at=_now()))

    def _write(self, claim: Claim) -> None:
        write_record(self._path(claim.label, claim.revision), claim)

    def _path(self, label: str, revision: str) -> Path:
        name = _NOT_IN_FILE_NAMES.sub("-", label).strip("-.")[:80]
        return self._root / f"{name}--{digest_of(label)[:8]}" / f"{revision}.json"


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
