"""The command line. Importing this module costs nothing heavy: each command imports what does it.

Exit codes: 0 something passed and is registered (or the command did what it was asked), 10 all
variants failed, 11 nothing passed and something was inconclusive (or nothing can pass, and nothing was
built), 12 a look-up found nothing, 13 something passed and could not be registered, 2-6 the kind of error
(see pipelines.domain.errors), 1 a fault of this program (its traceback is in the file that the last line
names), 130 interrupted, 143 ended by SIGTERM, 129 by SIGHUP, 141 nobody read what was printed.
"""

from pathlib import Path

import click

from quantgate.flows.cli.corpus.group import corpus
from quantgate.flows.cli.following import group as following
from quantgate.flows.cli.options import (
    COUNT,
    FOLDER,
    FORMATS,
    FORMS,
    clean_exit,
    in_store,
)
from quantgate.flows.cli.program import Program
from quantgate.flows.cli.progress import group as progress
from quantgate.flows.cli.proofs import group as proofs
from quantgate.flows.cli.registered import group as registered
from quantgate.flows.cli.schemas import group as schemas
from quantgate.flows.cli.starting import group as starting
from quantgate.flows.cli.store.group import gc, store
from quantgate.flows.cli.suite.group import suite
from quantgate.pipelines.domain.recipe import Format


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="quantgate")
def main() -> None:
    """Quantize a checkpoint, run your own tasks on every variant, register only what passes."""


@main.command(short_help="Build, judge and register variants of a model.")
@click.argument("model", required=False)
@click.option("--build", "build_file", type=FOLDER, help="Build file (YAML); options override it.")
@click.option(
    "--name",
    help="What variants are registered under (default: the build file's, else MODEL's own).",
)
@click.option("--suite", type=FOLDER, help="Folder with suite.yaml and its items.")
@click.option(
    "--corpus",
    help="Corpus spec (YAML) to calibrate on; several by commas ('none' is one) are compared.",
)
@click.option(
    "--recipes",
    help="Recipe names, patterns or files, by commas: 'Q4*,mine.yaml'; 'none' judges MODEL on its own.",
)
@click.option(
    "--nearest",
    is_flag=True,
    help="Take the nearest bundled recipe in place of one that does not fit MODEL's shapes.",
)
@click.option(
    "--foreign",
    multiple=True,
    metavar="PLACE",
    help="Judge a quant of MODEL that others made beside: a GGUF file, a folder, a pattern of files, or "
    "hub:org/name[@revision][:pattern]; repeatable.",
)
@click.option(
    "--expand",
    metavar="REASON",
    help="Expand MODEL, a low-bit GGUF file or folder, to bfloat16; whatever is made of it says so.",
)
@click.option(
    "--offload",
    is_flag=True,
    help="Have weights that this machine's memory does not hold read from the disk as they are used.",
)
@click.option("--kv", metavar="TYPES", help="KV-cache types of GGUF recipes: f16, q8_0, q4_0.")
@click.option("--policy", type=FOLDER, help="Policy file (YAML).")
@click.option("--plan", "plan_only", is_flag=True, help="Print every unit of work and stop.")
@click.option(
    "--waive",
    metavar="NAME",
    help="base-divergence: judge in a runtime that computes another model than the checkpoint; stays in "
    "the lineage, and asks for --reason, --who and --until.",
)
@click.option("--reason", help="Why that is meant, or bearable (with --waive).")
@click.option("--who", help="Who says so (with --waive).")
@click.option(
    "--until", metavar="DATE", help="Last day on which it holds, YYYY-MM-DD (with --waive)."
)
@click.option(
    "--search",
    type=click.Choice(["size", "memory", "speed"]),
    help="Find the passing variant of the least size or serving memory, or the fastest, without asking"
    " every recipe.",
)
@click.option(
    "--budget",
    metavar="SIZE",
    help="The most size, or serving memory, that it may come to, e.g. 6GB (with --search).",
)
@click.option("--only", metavar="ID", help="Run a single unit, by identifier or recipe name.")
@click.option(
    "--anyway",
    is_flag=True,
    help="Build also where the base is reliably right on too few items for anything to pass.",
)
@click.option(
    "--queue",
    is_flag=True,
    help="Build also where the registry cannot be reached; what is judged waits in the store.",
)
@click.option(
    "--speed",
    is_flag=True,
    help="Time every variant beside its base: tokens a second, first token, memory, energy.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON on standard output."
)
@in_store
def quantize(model: str | None, **options: object) -> int:
    """Build, judge and register variants of MODEL (a folder, a GGUF file, org/name[@revision], or
    hub:org/name[@revision]:FILE.gguf).

    Exit codes: 0 something passed and is registered (or MODEL was judged on its own, as asked),
    10 all failed, 11 nothing passed and something was inconclusive (or nothing can pass, and nothing
    was built), 13 something passed and could not be registered, 2-6 an error.
    """
    from quantgate.flows.cli.quantizing.again import asked, told_again

    command = asked({"model": model, **options})
    if (code := told_again(command, as_json=bool(options["as_json"]))) is not None:
        return code
    from quantgate.flows.cli.quantizing.command import quantize_command
    from quantgate.flows.cli.quantizing.options import QuantizeOptions

    return quantize_command(QuantizeOptions(model=model, **options), command)  # type: ignore[arg-type]  # click's keywords are the fields


@main.command(short_help="List the bundled recipes and whether they can be built here.")
@click.option("--format", "file_format", type=FORMATS, help="Only recipes of this format.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@clean_exit
def recipes(file_format: str | None, as_json: bool) -> int:
    """List the bundled recipes: what they make, what they need, what judges them."""
    from quantgate.flows.cli.recipes import recipes_command

    return recipes_command(Format(file_format) if file_format else None, as_json=as_json)


@main.command(short_help="Decide about the changed answers of a build.")
@click.argument("build")
@click.option("--html", type=FOLDER, help="Write the queue as an HTML form instead of asking.")
@click.option("--import", "import_file", type=FOLDER, help="Take decisions from a saved file.")
@click.option(
    "--labels", type=FOLDER, help="Write answers that a judge model graded, to be labelled."
)
@click.option(
    "--take", type=COUNT, show_default="60", help="Items a variant on that sheet (with --labels)."
)
@click.option("--who", help="Who decides in the terminal (default: your user name).")
@click.option("--all", "everything", is_flag=True, help="Ask again about what was decided before.")
@in_store
def review(**options: object) -> int:
    """Decide about the changed answers of BUILD: equivalent, better or worse.

    Decisions are kept in the suite's adjudications.jsonl, for your team to commit; the same build run
    again is judged with them, and nothing is asked anew.
    """
    from quantgate.flows.cli.review import ReviewOptions, review_command

    return review_command(ReviewOptions(**options))  # type: ignore[arg-type]  # click's keywords are the fields


@main.command(short_help="Write a build's runs for inspect-ai, or as transcripts.")
@click.argument("build")
@click.option(
    "--to", "folder", type=FOLDER, default=Path("logs"), show_default=True, help="Folder."
)
@click.option("--transcripts", is_flag=True, help="Write JSON lines instead, which `judge` reads.")
@in_store
def export(build: str, folder: Path, transcripts: bool) -> int:
    """Write BUILD's runs as .eval logs, which inspect-ai opens, or as transcripts."""
    from quantgate.flows.cli.export import export_command, transcripts_command

    return transcripts_command(build, folder) if transcripts else export_command(build, folder)


@main.command(short_help="List a store's builds, draw a build's page anew, export its tables.")
@click.argument("build", required=False)
@click.option("--as", "form", type=FORMS, help="Export BUILD's tables in this form instead.")
@click.option(
    "--to",
    type=FOLDER,
    help="File to write to (standard output without it); for csv and parquet a folder (default: tables).",
)
@click.option("--json", "as_json", is_flag=True, help="Print the list of builds as JSON.")
@in_store
def report(**options: object) -> int:
    """Write a page of all builds of the store, and list them; with BUILD, draw its page anew.

    `--as markdown` suits a pull request, `--as junit` a CI server; csv, parquet and json hold every table.
    """
    from quantgate.flows.cli.reports.command import ReportOptions, report_command

    return report_command(ReportOptions(**options))  # type: ignore[arg-type]  # click's keywords are the fields


@main.command(short_help="Judge one run against another, on transcripts alone.")
@click.argument("reference", metavar="RUN_A", type=FOLDER)
@click.argument("variant", metavar="RUN_B", type=FOLDER)
@click.option("--policy", type=FOLDER, help="Policy file (YAML).")
@click.option("--suite", type=FOLDER, help="Suite folder; by default that of a build in the store.")
@click.option(
    "--repeat",
    multiple=True,
    type=FOLDER,
    help="Another run of RUN_A's model, for the noise floor.",
)
@click.option(
    "--variant-repeat",
    multiple=True,
    type=FOLDER,
    help="Another run of RUN_B's model, where the policy asks for several (variant_runs).",
)
@click.option(
    "--agreement",
    is_flag=True,
    help="Ask whether RUN_B answers as RUN_A does, where nobody wrote what is right.",
)
@click.option("--junit", type=FOLDER, help="Write the verdict as JUnit XML to this file, too.")
@click.option("--markdown", type=FOLDER, help="Write it as Markdown for a pull request, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@in_store
def judge(**options: object) -> int:
    """Pair RUN_B with the reference RUN_A and judge it, on their transcripts alone.

    A run is a folder below `runs/` of a store or an exported file of JSON lines; or a log of
    lm-evaluation-harness (--log_samples), inspect-ai (.eval), promptfoo (-o, FILE#PROVIDER), or JSON lines
    with `id` and `answer`.
    Exit codes: 0 pass, 10 fail, 11 inconclusive, 2 not comparable or unreadable.
    """
    from quantgate.flows.cli.judge import JudgeOptions, judge_command

    return judge_command(JudgeOptions(**options))  # type: ignore[arg-type]  # click's keywords are the fields


@main.command()
@in_store
def doctor() -> int:
    """Say what is installed, what is missing and how to get it."""
    from quantgate.flows.cli.doctor import doctor_command

    return doctor_command()


@main.command()
@in_store
def up() -> int:
    """Start this project's Prefect server and let it stay."""
    from quantgate.flows.cli.server import up_command

    return up_command()


@main.command()
@in_store
def down() -> int:
    """Stop this project's Prefect server."""
    from quantgate.flows.cli.server import down_command

    return down_command()


main.add_command(suite)
main.add_command(corpus)
main.add_command(gc)
main.add_command(store)
for group in (starting, following, progress, registered, proofs, schemas):
    for command in group.COMMANDS:
        main.add_command(command)
