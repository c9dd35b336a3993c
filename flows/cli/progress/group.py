"""Commands that show what runs and ran, from any terminal."""

import click

from quantgate.flows.cli.options import in_store


@click.command(short_help="Say which builds run, how far each is, and what became of others.")
@click.argument("build", required=False)
@click.option("--follow", is_flag=True, help="Show it anew every two seconds while builds run.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; with --follow a line each time.")
@in_store
def status(build: str | None, follow: bool, as_json: bool) -> int:
    """Say how far BUILD is (a name or its beginning), or all builds of the store.

    Exit codes: 0, 12 there is no such build, 2 an error.
    """
    from quantgate.flows.cli.progress.status import status_command

    return status_command(build, follow=follow, as_json=as_json)


@click.command(short_help="Print the latest log of a unit.")
@click.argument("unit")
@click.option("--all", "everything", is_flag=True, help="Print every log of it, the oldest first.")
@in_store
def logs(unit: str, everything: bool) -> int:
    """Print what the child processes of UNIT wrote: a variant's identifier, a recipe, or a step.

    Exit codes: 0, 12 nothing was logged for it, 2 an error.
    """
    from quantgate.flows.cli.progress.logs import logs_command

    return logs_command(unit, everything=everything)


COMMANDS = (status, logs)
