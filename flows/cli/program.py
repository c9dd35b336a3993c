"""The program that all commands belong to: what is done before any of them is looked at."""

from collections.abc import Sequence
from typing import Any

import click
from typing_extensions import override

from quantgate.flows.cli.streams import open_streams, told_to_nobody
from quantgate.pipelines.process.collecting import collect_seldom
from quantgate.pipelines.process.secrecy import hide_secrets


class Program(click.Group):
    """All commands; also a wrong command line is told as far as there is somebody to tell."""

    @override
    def main(self, *args: Any, **options: Any) -> Any:
        open_streams()
        collect_seldom()
        hide_secrets()
        with told_to_nobody():
            return super().main(*args, **options)

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse values that are empty: a variable that a script never set is no wish for a default."""
        if not ctx.resilient_parsing and (name := empty_value(args)) is not None:
            raise click.UsageError(f"{name} is empty: leave it out, or give it a value", ctx)
        return super().parse_args(ctx, args)


def empty_value(arguments: Sequence[str]) -> str | None:
    """Return what the first empty value of a command line is given for: an option's name, or its place.

    None where every value says something; lists of commas alone say nothing.
    """
    for before, argument in zip(("", *arguments), arguments, strict=False):
        name, sign, value = argument.partition("=")
        if sign and name.startswith("--"):
            if not value.strip(", "):
                return name
        elif not argument.strip(", "):
            return before if before.startswith("-") and "=" not in before else "an argument"
    return None
