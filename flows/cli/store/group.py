"""Commands about the store itself."""

import click

from quantgate.flows.cli.options import in_store


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
