"""Commands for the first minutes: a verdict without weights, a suite of one's own, what to build first."""

from pathlib import Path

import click

from quantgate.flows.cli.options import COUNT, FOLDER, clean_exit, in_store


@click.command(short_help="Judge a bundled build in seconds, without weights.")
@click.option(
    "--to",
    "folder",
    type=FOLDER,
    default=Path("quantgate-demo"),
    show_default=True,
    help="Folder that page and registry are written to.",
)
@clean_exit
def demo(folder: Path) -> int:
    """Judge the transcripts of a real build: a verdict, a page and a look-up in seconds.

    It needs no weights, no compiler and no network. The build is that of examples/support-desk.
    """
    from quantgate.flows.cli.demo.command import demo_command

    return demo_command(folder)


@click.command(short_help="Write a first suite and build file from your questions.")
@click.argument("folder", metavar="FOLDER", type=FOLDER)
@click.option(
    "--from",
    "source",
    metavar="FILE",
    help="Questions: .csv, .jsonl (rows or chats), .parquet, or mlflow:EXPERIMENT.",
)
@click.option("--model", help="What to quantize: a folder, a GGUF file or org/name[@revision].")
@click.option(
    "--question", metavar="COLUMN", help="Which column of it asks (default: by its name)."
)
@click.option("--answer", metavar="COLUMN", help="Which column of it has the right answer.")
@click.option(
    "--items", type=COUNT, show_default="200", help="Most items of the suite (with --from)."
)
@in_store
def init(**options: object) -> int:
    """Write FOLDER with a suite, a policy and a build file, proposed from questions and answers.

    Graders are chosen by looking at the answers. Where rows are left over they become traffic to calibrate
    on, without any that is close to an item. Nothing is overwritten.
    """
    from quantgate.flows.cli.starting.command import StartOptions, start_command

    return start_command(StartOptions(**options))  # type: ignore[arg-type]  # click's keywords are the fields


@click.command(short_help="Let your shell complete commands and options.")
@click.argument("shell", required=False, type=click.Choice(["bash", "zsh", "fish"]))
@click.option("--show", is_flag=True, help="Print the script and install nothing.")
@clean_exit
def completion(shell: str | None, show: bool) -> int:
    """Install the completion of commands and options for SHELL (default: the one in use)."""
    from quantgate.flows.cli.completion import completion_command

    return completion_command(click.get_current_context().find_root().command, shell, show=show)


@click.command(short_help="Say which recipes to build first for a device and its memory.")
@click.argument("model")
@click.option("--memory", required=True, metavar="SIZE", help="What serving may take, e.g. 8GB.")
@click.option("--context", metavar="TOKENS", help="Tokens of one request, e.g. 8k (the default).")
@click.option(
    "--device",
    type=click.Choice(["cpu", "rtx4060", "h200"]),
    default="cpu",
    show_default=True,
    help="What serves it.",
)
@click.option(
    "--task", type=click.Choice(["code", "chat", "math", "extraction"]), help="What it is for."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@in_store
def recommend(**options: object) -> int:
    """Say what serving MODEL (a folder, or org/name[@revision]) would take, and which recipes to try first.

    What this registry measured on the same architecture goes before what is published of formats.
    """
    from quantgate.flows.cli.recommend import RecommendOptions, recommend_command

    return recommend_command(RecommendOptions(**options))  # type: ignore[arg-type]  # click's keywords are the fields


COMMANDS = (demo, init, recommend, completion)
