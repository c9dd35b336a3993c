"""What lies in a shared store: folders, leases, and what nobody needs any more."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from quantgate.pipelines.files.store import MANIFEST
from quantgate.pipelines.sharing.entries import ENTRIES, Entries, folder_of
from quantgate.pipelines.sharing.leases import CLOCKS, LEASES, Lease, LeasedElsewhere, Leases
from quantgate.pipelines.sharing.objects import SharedObjects
from quantgate.pipelines.sharing.opening import PROBES

_LEFT_BEHIND_SECONDS = 86400.0
"""Leases that hold no longer, probes and clocks of killed processes may go after a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedEntry:
    """A folder there; one that is not `complete` is being sent, or its sender died.

    `sent_at` is in seconds since 1970 by the place's clock: when its last object was written.
    """

    folder: str
    size_bytes: int
    sent_at: float
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedLease:
    """Who makes a folder; `holds` says whether that is so still. `renewed_at` is by the place's clock."""

    folder: str
    owner: str
    renewed_at: float
    holds: bool


def shared_entries(objects: SharedObjects) -> tuple[SharedEntry, ...]:
    """Return every folder, by name.

    Raises:
        ServiceError: the place does not answer.
    """
    sizes, times = defaultdict[str, int](int), defaultdict[str, float](float)
    complete: set[str] = set()
    for name, stored in objects.listed(f"{ENTRIES}/").items():
        folder = folder_of(name)
        sizes[folder] += stored.size_bytes
        times[folder] = max(times[folder], stored.modified_at)
        if name.endswith(f"/{MANIFEST}"):
            complete.add(folder)
    return tuple(
        SharedEntry(folder=f, size_bytes=sizes[f], sent_at=times[f], complete=f in complete)
        for f in sorted(sizes)
    )


def shared_leases(objects: SharedObjects, leases: Leases) -> tuple[SharedLease, ...]:
    """Return the lease of each folder that has any.

    Raises:
        ServiceError: the place does not answer.
    """
    latest: dict[str, str] = {}
    listed = objects.listed(f"{LEASES}/")
    for name in sorted(listed):
        latest[name.removeprefix(f"{LEASES}/").rpartition("/")[0]] = name
    return tuple(
        SharedLease(
            folder=folder,
            owner=Lease.decoded(content).owner,
            renewed_at=listed[name].modified_at,
            holds=leases.holder(folder) is not None,
        )
        for folder, name in latest.items()
        if (content := objects.read(name)) is not None
    )


def remove_entries(entries: Entries, leases: Leases, folders: Iterable[str]) -> Iterator[str]:
    """Remove folders that nobody makes or fetches anew just now, and yield each.

    Raises:
        ServiceError: the place does not answer.
    """
    for folder in folders:
        taken = leases.take(folder)
        if isinstance(taken, LeasedElsewhere):
            continue
        taken.start_renewing()
        removed = False
        try:
            entries.remove(folder)
            removed = True
        finally:
            taken.give_up(made=removed)
        yield folder


def remove_leftovers(objects: SharedObjects, leases: Leases) -> None:
    """Remove what killed processes left a day ago or earlier; a lease that holds is never old.

    Raises:
        ServiceError: the place does not answer.
    """
    before = leases.now() - _LEFT_BEHIND_SECONDS
    for prefix in (f"{CLOCKS}/", f"{PROBES}/"):
        for name, stored in objects.listed(prefix).items():
            if stored.modified_at < before:
                objects.remove(name)
    for lease in shared_leases(objects, leases):
        if not lease.holds and lease.renewed_at < before:
            taken = leases.take(lease.folder)
            if not isinstance(taken, LeasedElsewhere):
                taken.give_up(made=True)
