"""`quantgate schema`: the JSON schemas of what people write and of what commands print."""

import click

from quantgate.flows.cli.options import clean_exit


@click.command(
    short_help="Print the JSON schema of a file that you write, or of what --json prints."
)
@click.argument("name", required=False)
@clean_exit
def schema(name: str | None) -> int:
    """Print the JSON schema called NAME, or without it the names of all.

    NAME is that of a file (`build`, `suite`, `policy`, …), or what stands under `schema` in the JSON that a
    command prints (`quantgate.result/1`, or `result`).
    """
    from quantgate.flows.cli.schemas.printing import schema_command

    return schema_command(name)


COMMANDS = (schema,)
