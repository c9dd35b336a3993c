"""`quantgate store …`: what lies in the store that hosts share, sent there, fetched, removed."""

import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase

from quantgate.flows.build.clearing.removing import parse_age
from quantgate.flows.build.sharing.opening import open_shared_store, prepare_shared_store
from quantgate.flows.cli.views.plain import print_table
from quantgate.flows.cli.views.printing import print_json
from quantgate.flows.cli.views.sizes import megabytes
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import InputError, NotFoundError
from quantgate.pipelines.sharing.contents import (
    SharedEntry,
    SharedLease,
    remove_entries,
    remove_leftovers,
    shared_entries,
    shared_leases,
)
from quantgate.pipelines.sharing.entries import DamagedEntryError
from quantgate.pipelines.sharing.kinds import is_result
from quantgate.pipelines.sharing.shared_store import SharedStore, WaitingFolder, waiting_folders

_SECONDS_AN_HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedListing:
    """What lies in a shared store, who makes something there, and what of this store waits to be sent."""

    address: str
    entries: tuple[SharedEntry, ...]
    leases: tuple[SharedLease, ...]
    waiting: tuple[WaitingFolder, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFolder:
    """A folder that was sent, fetched or removed; `size_bytes` is what travelled, or was freed."""

    folder: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedTransfer:
    """What a command did with folders; `untouched` were there already, are damaged, or are being made."""

    address: str
    folders: tuple[SharedFolder, ...]
    untouched: tuple[str, ...]


def init_command() -> int:
    """Make a place one that hosts share, unless it is; what lies there stays."""
    settings = Settings.from_environment()
    print(f"{prepare_shared_store(settings)} can be shared")
    return 0


def list_command(*, as_json: bool) -> int:
    """List folders and leases of the shared store, and what waits to be sent."""
    settings, shared = _opened()
    listing = SharedListing(
        address=shared.objects.address,
        entries=shared_entries(shared.objects),
        leases=shared_leases(shared.objects, shared.leases),
        waiting=waiting_folders(settings.store.root),
    )
    now = shared.leases.now()
    shared.leases.close()
    if as_json:
        print_json(listing)
    else:
        _show(listing, now)
    return 0


def push_command(*, everything: bool, as_json: bool) -> int:
    """Send what waits, or all that is sealed here and not there; damaged folders are told and left."""
    settings, shared = _opened()
    waiting = [each.folder for each in waiting_folders(settings.store.root)]
    folders = [*shared.sealed_here()] if everything else waiting
    sent, code = dict[str, int](), 0
    for folder in folders:
        try:
            sent[folder] = shared.send_missing(folder)
        except InputError as error:
            _say(f"{folder} is not sent: {error}")
            code = error.exit_code
    done = SharedTransfer(
        address=shared.objects.address,
        folders=tuple(SharedFolder(folder=f, size_bytes=n) for f, n in sent.items() if n),
        untouched=tuple(folder for folder in folders if not sent.get(folder)),
    )
    _told(done, "sent", as_json=as_json)
    return code


def pull_command(pattern: str, *, as_json: bool) -> int:
    """Fetch the folders whose names fit a pattern; damaged ones are told and left.

    Raises:
        NotFoundError: no folder there fits.
    """
    _, shared = _opened()
    fitting = [e.folder for e in shared_entries(shared.objects) if _fits(e, pattern)]
    if not fitting:
        raise NotFoundError(
            "no folder of the shared store is called so",
            where=pattern,
            next_step="`quantgate store list` names them; patterns are like 'variants/desk*'",
        )
    fetched, code = dict[str, int](), 0
    for folder in fitting:
        try:
            fetched[folder] = shared.entries.fetch(folder) or 0
        except DamagedEntryError as error:
            _say(str(error))
            code = error.exit_code
    done = SharedTransfer(
        address=shared.objects.address,
        folders=tuple(SharedFolder(folder=f, size_bytes=n) for f, n in fetched.items() if n),
        untouched=tuple(folder for folder in fitting if not fetched.get(folder)),
    )
    _told(done, "fetched", as_json=as_json)
    return code


def clean_command(older_than: str, *, yes: bool, as_json: bool) -> int:
    """Name the folders that were sent longer ago, and remove them where `yes` says so.

    Raises:
        InputError: the age is none.
    """
    seconds = parse_age(older_than)
    _, shared = _opened()
    before = shared.leases.now() - seconds
    old = {e.folder: e.size_bytes for e in shared_entries(shared.objects) if e.sent_at < before}
    going = tuple(old)
    if yes:
        going = tuple(remove_entries(shared.entries, shared.leases, old))
        remove_leftovers(shared.objects, shared.leases)
    shared.leases.close()
    done = SharedTransfer(
        address=shared.objects.address,
        folders=tuple(SharedFolder(folder=f, size_bytes=old[f]) for f in going),
        untouched=tuple(folder for folder in old if folder not in going),
    )
    _told(done, "removed" if yes else "may go (--yes removes them):", as_json=as_json)
    return 0


def _opened() -> tuple[Settings, SharedStore]:
    settings = Settings.from_environment()
    return settings, open_shared_store(settings, _say)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _fits(entry: SharedEntry, pattern: str) -> bool:
    return entry.complete and is_result(entry.folder) and fnmatchcase(entry.folder, pattern)


def _told(done: SharedTransfer, verb: str, *, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    for each in done.folders:
        print(f"{verb} {each.folder}  {megabytes(each.size_bytes)}")
    together = megabytes(sum(each.size_bytes for each in done.folders))
    print(f"{verb} {len(done.folders)}, {together}; {len(done.untouched)} left as they are")


def _show(listing: SharedListing, now: float) -> None:
    if listing.entries:
        rows = [("folder", "size", "sent", "")]
        for entry in listing.entries:
            age = f"{(now - entry.sent_at) / _SECONDS_AN_HOUR:.1f} h ago"
            state = "" if entry.complete else "not complete"
            rows.append((entry.folder, megabytes(entry.size_bytes), age, state))
        print_table(rows)
    print(f"{len(listing.entries)} folders in {listing.address}")
    for lease in listing.leases:
        state = "makes" if lease.holds else "made, and no longer,"
        print(f"{lease.owner} {state} {lease.folder} (seen {now - lease.renewed_at:.0f} s ago)")
    for folder in listing.waiting:
        print(f"waits to be sent: {folder.folder} ({folder.reason})")
