"""Commands about the store itself."""

import click

from quantgate.flows.cli.options import in_store

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command(short_help="Name what the store holds that nobody needs, and remove it.")
@click.option(
    "--older-than",
    default="7d",
    show_default=True,
    help="Only what was not changed for so long: 30d, 12h.",
)
@click.option(
    "--keep-champions",
    is_flag=True,
    help="Keep also what champions were made from: downloads and logits of their bases.",
)
@click.option("--dry-run", is_flag=True, help="Only say what may go, and how much that frees.")
@click.option("--yes", is_flag=True, help="Remove it without a question.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; removes only with --yes.")
@in_store
def gc(**options: object) -> int:
    """Name what may go of the store: unregistered variants, kept logits, downloads, logs; and remove it.

    What a registered version, a receipt of one, a waiting registration or a running build needs stays.
    """
    from quantgate.flows.cli.store.gc import GcOptions, gc_command

    return gc_command(GcOptions(**options))  # type: ignore[arg-type]  # click's keywords are the fields


@click.group(short_help="What lies in the store that hosts share: init, list, push, pull, clean.")
def store() -> None:
    """Prepare the store that QUANTGATE_SHARED_STORE names; list, send, fetch and remove folders of it.

    Exit codes: 0, 2 no shared store is named, its address is none or something in it is damaged, 4 what
    reaches it is not installed, 6 it does not answer or refuses, 12 nothing there is called so.
    """


@store.command("init", short_help="Make a folder one that hosts share, once.")
@in_store
def store_init() -> int:
    """Mark the folder that QUANTGATE_SHARED_STORE names, once, from any host.

    A folder without the mark is taken for a file system that is not mounted: nothing is written there. The
    folder above it has to exist. Of a bucket, this only sees whether it can be shared.
    """
    from quantgate.flows.cli.store.sharing import init_command

    return init_command()


@store.command("list", short_help="List folders there, and who makes one.")
@_json
@in_store
def store_list(as_json: bool) -> int:
    """List the folders there, who makes one just now, and what of this store waits to be sent."""
    from quantgate.flows.cli.store.sharing import list_command

    return list_command(as_json=as_json)


@store.command("push", short_help="Send what waits to be sent.")
@click.option(
    "--all", "everything", is_flag=True, help="Send whatever is sealed here, not only what waits."
)
@_json
@in_store
def store_push(everything: bool, as_json: bool) -> int:
    """Send what could not be sent while the shared store did not answer."""
    from quantgate.flows.cli.store.sharing import push_command

    return push_command(everything=everything, as_json=as_json)


@store.command("pull", short_help="Fetch folders by their names.")
@click.argument("pattern")
@_json
@in_store
def store_pull(pattern: str, as_json: bool) -> int:
    """Fetch the folders that PATTERN names ('runs/*', 'variants/desk--Q4*'); every byte is compared."""
    from quantgate.flows.cli.store.sharing import pull_command

    return pull_command(pattern, as_json=as_json)


@store.command("clean", short_help="Remove folders sent long ago.")
@click.option(
    "--older-than",
    default="90d",
    show_default=True,
    help="Only what was sent so long ago: 30d, 12h.",
)
@click.option("--yes", is_flag=True, help="Remove them; without it they are only named.")
@_json
@in_store
def store_clean(older_than: str, yes: bool, as_json: bool) -> int:
    """Name folders that were sent long ago, and remove them with --yes; none that a host makes just now."""
    from quantgate.flows.cli.store.sharing import clean_command

    return clean_command(older_than, yes=yes, as_json=as_json)
