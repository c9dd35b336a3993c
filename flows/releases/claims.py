"""Claims on releases: what is to be built of a revision is built exactly once, also when watchers die.

A claim is on (entry, revision, what is asked for) and has a file and a lock beside it under
`<store>/releases/`. Who works on it holds the lock, which the kernel lets go when its holder dies; what
became of it stands in the file: `claimed` (somebody began), then `done` or `failed`. A claim that nobody
holds and that is not settled is taken over; `attempts` counts how often, so that a build which kills its
watchers can be given up. Claims of before knew no more than the revision: the first look takes them over.
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

from quantgate.flows.releases.contents import ReleaseContents
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.files.records import read_record, write_record

_NOT_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_ASKED_LENGTH = 12

State = Literal["claimed", "done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseKey:
    """What a claim is on: an entry's label, a revision, and the digest of what the entry asks for."""

    label: str
    revision: str
    asked: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What stands in a claim file; `detail` says how it ended, `contents` what it was on, part by part."""

    label: str
    revision: str
    state: State
    attempts: int
    holder: str
    changed_at: datetime
    detail: str = ""
    asked: str = ""
    contents: ReleaseContents | None = None

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do."""
        return self.state != "claimed"


class Claims:
    """The claims of one store."""

    def __init__(self, store_root: Path) -> None:
        """Keep claims under `<store>/releases/`."""
        self._root = store_root / "releases"

    def read(self, key: ReleaseKey) -> Claim | None:
        """Return the claim on a release, or None; one of before is taken over under this key.

        Raises:
            InputError: where the file is damaged.
        """
        path = self._path(key)
        if path.exists():
            return read_record(Claim, path)
        before = path.parent / f"{key.revision}.json"
        if not before.exists() or any(path.parent.glob(f"{key.revision}--*.json")):
            return None
        claim = replace(read_record(Claim, before), asked=key.asked)
        self._write(claim)
        return claim

    def of(self, label: str) -> tuple[Claim, ...]:
        """Return an entry's claims, the one that changed last at the end."""
        claims = [read_record(Claim, path) for path in self._folder(label).glob("*.json")]
        return tuple(sorted(claims, key=lambda claim: claim.changed_at))

    def all(self) -> tuple[Claim, ...]:
        """Return every claim, by entry and time; one of before that was taken over is left out."""
        claims = [read_record(Claim, path) for path in self._root.glob("*/*.json")]
        newer = {(claim.label, claim.revision) for claim in claims if claim.asked}
        kept = [c for c in claims if c.asked or (c.label, c.revision) not in newer]
        return tuple(sorted(kept, key=lambda claim: (claim.label, claim.changed_at)))

    @contextmanager
    def taken(self, key: ReleaseKey, contents: ReleaseContents) -> Iterator[Claim | None]:
        """Yield the claim, held until the block ends; None where it is settled or held by another."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
                return
            before = self.read(key)
            if before is not None and before.settled:
                yield None
                return
            claim = Claim(
                label=key.label,
                revision=key.revision,
                state="claimed",
                attempts=(before.attempts if before else 0) + 1,
                holder=f"{socket.gethostname()}:{os.getpid()}",
                changed_at=_now(),
                asked=key.asked,
                contents=contents,
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

    def reopen(self, claim: Claim) -> Claim:
        """Have the next look take up a settled claim as if it had never been tried."""
        detail = f"reopened; before: {claim.state}: {claim.detail}"
        opened = replace(claim, state="claimed", attempts=0, detail=detail, changed_at=_now())
        self._write(opened)
        return opened

    def _write(self, claim: Claim) -> None:
        write_record(self._file(claim.label, claim.revision, claim.asked), claim)

    def _path(self, key: ReleaseKey) -> Path:
        return self._file(key.label, key.revision, key.asked)

    def _file(self, label: str, revision: str, asked: str) -> Path:
        suffix = f"--{asked[:_ASKED_LENGTH]}" if asked else ""
        return self._folder(label) / f"{revision}{suffix}.json"

    def _folder(self, label: str) -> Path:
        name = _NOT_IN_FILE_NAMES.sub("-", label).strip("-.")[:80]
        return self._root / f"{name}--{digest_of(label)[:8]}"


def _now() -> datetime:
    return datetime.now(UTC)
