"""Commands that show what runs and ran, from any terminal."""

from typing import Any

import click

from quantgate.flows.cli.options import COUNT, in_store


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


@click.command(short_help="Forecast how long many builds would take on how many workers.")
@click.option("--models", type=COUNT, default=200, show_default=True, help="How many models.")
@click.option("--variants", type=COUNT, default=20, show_default=True, help="Variants of each.")
@click.option("--suites", type=COUNT, default=5, show_default=True, help="Suites of each.")
@click.option("--workers", type=COUNT, default=8, show_default=True, help="Units side by side.")
@click.option(
    "--accelerators", type=click.IntRange(0, 10**6), default=0, show_default=True,
    help="Of which each computes one unit at a time; without any, workers compute.",
)  # fmt: skip
@click.option(
    "--times", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True,
    help="How many times as long a unit takes as in this store.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@in_store
def scale(as_json: bool, **fleet: Any) -> int:
    """Schedule builds on paper by what units of this store's builds took, and say what limits.

    Exit codes: 0, 12 the store holds no finished build, 2 an error.
    """
    from quantgate.flows.build.scaling.simulation import Fleet
    from quantgate.flows.cli.scale import scale_command

    return scale_command(Fleet(**fleet), as_json=as_json)


COMMANDS = (status, logs, scale)
