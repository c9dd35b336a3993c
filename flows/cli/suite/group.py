"""`quantgate suite …`: its command line; each command imports the module beside this one that does it."""

from pathlib import Path

import click

from quantgate.flows.cli.options import COUNT, FOLDER, in_store


@click.group(short_help="Check a suite of your own, or propose items for one.")
def suite() -> None:
    """Check a suite of your own, or propose items for one from real traffic."""


@suite.command(name="import", short_help="Copy a task of lm-evaluation-harness.")
@click.argument("task", metavar="lm-eval:TASK")
@click.option("--out", type=FOLDER, required=True, help="Folder of the new suite.")
@in_store
def import_(task: str, out: Path) -> int:
    """Copy a task of lm-evaluation-harness into a suite folder of your own."""
    from quantgate.flows.cli.suite.import_task import import_command

    return import_command(task, out)


@suite.command(short_help="Report every problem of a suite with its line.")
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--model", help="Also hold items against this model's chat template and context.")
@click.option("--policy", type=FOLDER, help="Policy file (YAML) that says what has to be proved.")
@click.option(
    "--bump", is_flag=True, help="Raise the version where an edited suite still has the old one."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@in_store
def check(**options: object) -> int:
    """Report every problem of the suite in DIR with its line, and what each slice can prove.

    Exit codes: 0 fine, 2 problems (notes are not), 3-6 an error.
    """
    from quantgate.flows.cli.suite.check import SuiteCheckOptions, check_command

    return check_command(SuiteCheckOptions(**options))  # type: ignore[arg-type]  # click's keywords are the fields


@suite.command(short_help="Propose items on which a quant is likely to break.")
@click.argument("traffic", metavar="TRAFFIC", type=FOLDER)
@click.option(
    "--model", required=True, help="The full-precision model: folder or org/name[@revision]."
)
@click.option("--take", type=COUNT, default=50, show_default=True, help="How many items.")
@click.option(
    "--out", type=FOLDER, default=Path("draft-suite"), show_default=True, help="Where to write."
)
@click.option(
    "--look-at",
    type=COUNT,
    default=2000,
    show_default=True,
    help="Rows the model answers at most.",
)
@click.option(
    "--max-tokens", type=COUNT, default=128, show_default=True, help="Tokens of an answer at most."
)
@click.option("--seed", default=0, show_default=True, help="Of the rows the model answers.")
@in_store
def mine(**options: object) -> int:
    """Propose items from TRAFFIC (chat logs, JSON lines) on which a quant is most likely to break.

    Writes a draft suite without expectations: those are for a person to write.
    """
    from quantgate.flows.cli.suite.mine import MineOptions, mine_command

    return mine_command(MineOptions(**options))  # type: ignore[arg-type]  # click's keywords are the fields
