"""`quantgate gc`: what a store holds that nobody needs, named and, when agreed to, removed."""

import sys
from dataclasses import dataclass, replace

from quantgate.flows.build.clearing.needs import needs_of
from quantgate.flows.build.clearing.removing import (
    Clearing,
    find_removable,
    parse_age,
    remove,
)
from quantgate.flows.build.clearing.usage import UsedPlans, plans_in_use
from quantgate.flows.cli.views.clearing import show_clearing
from quantgate.flows.cli.views.plain import print_plain_json
from quantgate.flows.cli.views.sizes import megabytes
from quantgate.flows.settings import Settings
from quantgate.pipelines.files.disk.trouble import disk_trouble
from quantgate.registry import Tracking
from quantgate.registry.opening import open_reader
from quantgate.registry.protocol import OpenReader


@dataclass(frozen=True, slots=True, kw_only=True)
class GcOptions:
    """The command line of `quantgate gc`."""

    older_than: str = "7d"
    keep_champions: bool = False
    dry_run: bool = False
    yes: bool = False
    as_json: bool = False


def gc_command(options: GcOptions) -> int:
    """Show what may go; remove it where `--yes` or a person at the terminal says so."""
    settings = Settings.from_environment()
    shown = clearing_of(options, settings, plans_in_use(settings.store))
    if options.as_json:
        removed = _remove(shown, options, settings) if _agreed_before(options) else None
        print_plain_json(_json(removed or shown, removed=removed is not None))
        return 0
    show_clearing(shown)
    if options.dry_run or not shown.removable:
        return 0
    if not options.yes and not _agreed(shown):
        print("nothing was removed: --yes removes it without a question")
        return 0
    removed = _remove(shown, options, settings)
    print(f"removed {len(removed.removable)}, freed {megabytes(removed.size_bytes)}")
    return 0


def clearing_of(
    options: GcOptions,
    settings: Settings,
    running: UsedPlans,
    open_registry: OpenReader = open_reader,
) -> Clearing:
    """Return what may go of the store now, while these plans are in use.

    Raises:
        InputError: the age is none, or the registry's address.
    """
    store = settings.store
    tracking = Tracking.resolve(store, uri=settings.tracking_uri)
    older_than = parse_age(options.older_than)
    needs = needs_of(
        tracking, open_registry, running=running, keep_champions=options.keep_champions
    )
    return find_removable(tracking.store, needs, older_than_seconds=older_than)


def _agreed_before(options: GcOptions) -> bool:
    return options.yes and not options.dry_run


def _agreed(shown: Clearing) -> bool:
    if not sys.stdin.isatty():
        return False
    print(
        f"remove these {len(shown.removable)} (frees {megabytes(shown.size_bytes)})? [y/N] ", end=""
    )
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _remove(shown: Clearing, options: GcOptions, settings: Settings) -> Clearing:
    store = replace(settings.store, root=settings.store.root.resolve())
    try:
        return remove(store, shown, lambda running: clearing_of(options, settings, running))
    except OSError as error:
        raise disk_trouble(error, store.root) or error from error


def _json(clearing: Clearing, *, removed: bool) -> dict[str, object]:
    return {
        "store": clearing.store,
        "removed": removed,
        "size_bytes": clearing.size_bytes,
        "registry_unasked": clearing.unasked,
        "removable": clearing.removable,
        "kept": clearing.kept,
    }
