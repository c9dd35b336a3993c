"""The command line. Importing this module costs nothing heavy: every command imports what it needs.

Exit codes: 0 something passed and is registered (or the command did what it was asked), 10 all
variants failed, 11 nothing passed and something was inconclusive (or nothing can pass, and nothing was
built), 12 a look-up found nothing, 2-6 the kind of error (see pipelines.domain.errors), 1 a fault of this
program (its traceback is in the file that the last line names), 130 interrupted, 143 ended by SIGTERM, 129 by
SIGHUP, 141 nobody read what was printed.
"""

import io
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import click

from flows.cli.crashes import failure_of
from pipelines.domain.errors import InputError, InterruptionError
from pipelines.domain.recipe import Format
from pipelines.files.reading import at_home
from pipelines.files.store import STORE_FOLDER, STORE_VARIABLE
from pipelines.process.secrecy import hide_secrets
from pipelines.process.signals import Ending, children_end_first

Parameters = ParamSpec("Parameters")

_UNREAD = 141  # what a shell says of a program that SIGPIPE ended
_FOLDER = click.Path(path_type=Path)
_COUNT = click.IntRange(min=1, max=10**9)
_FORMATS = click.Choice([one.value for one in Format], case_sensitive=False)


def _clean_exit(command: Callable[Parameters, int]) -> Callable[Parameters, None]:
    """End with the command's exit code; a known error is a few lines, never a traceback."""

    @wraps(command)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        hide_secrets()
        try:
            with children_end_first():
                code = command(*args, **kwargs)
        except (KeyboardInterrupt, InterruptionError) as ending:
            click.echo("quantgate: interrupted; finished units are kept", err=True)
            code = ending.exit_code if isinstance(ending, Ending) else InterruptionError.exit_code
        except BrokenPipeError:  # `quantgate … | head`: nobody reads on
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = _UNREAD
        except Exception as error:  # noqa: BLE001 - the last net: a sentence, never a traceback
            failure = failure_of(error)
            click.echo(f"quantgate: {failure}", err=True)
            code = failure.exit_code
        sys.exit(code)

    return run


def _use_store(_context: click.Context, _option: click.Parameter, folder: Path | None) -> None:
    """Let this process and its children open the store that `--store` names."""
    if folder is not None:
        try:
            os.environ[STORE_VARIABLE] = str(at_home(folder).resolve())
        except InputError as error:
            raise click.BadParameter(str(error)) from error


_store_option = click.option(
    "--store",
    type=_FOLDER,
    expose_value=False,
    callback=_use_store,
    help=f"Store folder (default {STORE_VARIABLE}, else the nearest {STORE_FOLDER} upwards).",
)


def _in_store(command: Callable[Parameters, int]) -> Callable[Parameters, None]:
    """As `_clean_exit`, for commands that read or write a store: they take `--store`."""
    return _store_option(_clean_exit(command))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="quantgate")
def main() -> None:
    """Quantize a checkpoint, run your own tasks on every variant, register only what passes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files may be no UTF-8
            stream.reconfigure(errors="backslashreplace")


@main.command(short_help="Build, judge and register variants of a model.")
@click.argument("model", required=False)
@click.option("--build", "build_file", type=_FOLDER, help="Build file (YAML); options override it.")
@click.option("--suite", type=_FOLDER, help="Folder with suite.yaml and its items.")
@click.option(
    "--corpus",
    help="Corpus spec (YAML) to calibrate on; several by commas ('none' is one) are compared.",
)
@click.option(
    "--recipes",
    help="Recipe names, patterns or files, by commas: 'Q4*,mine.yaml'; 'none' judges MODEL on its own.",
)
@click.option("--kv", metavar="TYPES", help="KV-cache types of GGUF recipes: f16, q8_0, q4_0.")
@click.option("--policy", type=_FOLDER, help="Policy file (YAML).")
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
@click.option("--only", metavar="ID", help="Run a single unit, by identifier or recipe name.")
@click.option(
    "--anyway",
    is_flag=True,
    help="Build also where the base is reliably right on too few items for anything to pass.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON on standard output."
)
@_in_store
def quantize(model: str | None, **options: object) -> int:
    """Build, judge and register variants of MODEL (a folder, or org/name[@revision]).

    Exit codes: 0 something passed and is registered (or MODEL was judged on its own, as asked),
    10 all failed, 11 nothing passed and something was inconclusive (or nothing can pass, and nothing
    was built), 2-6 an error.
    """
    from flows.cli.build import QuantizeOptions, quantize_command

    return quantize_command(QuantizeOptions(model=model, **options))  # type: ignore[arg-type]  # click's keywords are the fields


@main.command(short_help="Print the smallest passing variant of a model.")
@click.argument("model")
@click.option("--suite", help="Only versions judged on this suite.")
@click.option("--runtime", help="Only versions judged in this runtime.")
@click.option("--format", "file_format", type=_FORMATS, help="Only versions in this format.")
@click.option("--max-size", help="Only versions up to this size, e.g. 6GB or 500MiB.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_in_store
def lookup(model: str, **options: str | bool | None) -> int:
    """Print the smallest passing variant of MODEL: name, version, where it lies, verdict."""
    from flows.cli.build import LookupOptions, lookup_command

    return lookup_command(LookupOptions(model=model, **options))  # type: ignore[arg-type]  # click's keywords are the fields


@main.command(short_help="Print what a registered variant was made from.")
@click.argument("reference", metavar="NAME[@ALIAS|/VERSION]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_in_store
def lineage(reference: str, as_json: bool) -> int:
    """Print which corpus a registered variant was quantized against, and its whole lineage."""
    from flows.cli.build import lineage_command

    return lineage_command(reference, as_json=as_json)


@main.group(short_help="Check a suite of your own, or propose items for one.")
def suite() -> None:
    """Check a suite of your own, or propose items for one from real traffic."""


@suite.command(name="import", short_help="Copy a task of lm-evaluation-harness.")
@click.argument("task", metavar="lm-eval:TASK")
@click.option("--out", type=_FOLDER, required=True, help="Folder of the new suite.")
@_in_store
def import_(task: str, out: Path) -> int:
    """Copy a task of lm-evaluation-harness into a suite folder of your own."""
    from flows.cli.suite import import_command

    return import_command(task, out)


@suite.command(short_help="Report every problem of a suite with its line.")
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--model", help="Also hold items against this model's chat template and context.")
@click.option("--policy", type=_FOLDER, help="Policy file (YAML) that says what has to be proved.")
@click.option(
    "--bump", is_flag=True, help="Raise the version where an edited suite still has the old one."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_in_store
def check(**options: object) -> int:
    """Report every problem of the suite in DIR with its line, and what each slice can prove.

    Exit codes: 0 fine, 2 problems (notes are not), 3-6 an error.
    """
    from flows.cli.suite import CheckOptions, check_command

    return check_command(CheckOptions(**options))  # type: ignore[arg-type]  # click's keywords are the fields


@suite.command(short_help="Propose items on which a quant is likely to break.")
@click.argument("traffic", metavar="TRAFFIC", type=_FOLDER)
@click.option(
    "--model", required=True, help="The full-precision model: folder or org/name[@revision]."
)
@click.option("--take", type=_COUNT, default=50, show_default=True, help="How many items.")
@click.option(
    "--out", type=_FOLDER, default=Path("draft-suite"), show_default=True, help="Where to write."
)
@click.option(
    "--look-at",
    type=_COUNT,
    default=2000,
    show_default=True,
    help="Rows the model answers at most.",
)
@click.option(
    "--max-tokens", type=_COUNT, default=128, show_default=True, help="Tokens of an answer at most."
)
@click.option("--seed", default=0, show_default=True, help="Of the rows the model answers.")
@_in_store
def mine(**options: object) -> int:
    """Propose items from TRAFFIC (chat logs, JSON lines) on which a quant is most likely to break.

    Writes a draft suite without expectations: those are for a person to write.
    """
    from flows.cli.suite import MineOptions, mine_command

    return mine_command(MineOptions(**options))  # type: ignore[arg-type]  # click's keywords are the fields


@main.group()
def corpus() -> None:
    """Build, look at, compare and check calibration corpora."""


@corpus.command("build", short_help="Seal the corpus that a spec describes.")
@click.argument("spec", metavar="SPEC|NAME", type=_FOLDER)
@click.option(
    "--model", help="Also count tokens as this model would: folder or org/name[@revision]."
)
@click.option("--record", is_flag=True, help="Also record it in MLflow.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_in_store
def corpus_build(**options: object) -> int:
    """Seal the corpus that SPEC (YAML) describes; its version rises only when the content changes.

    A bare NAME stands for calibration/corpora/NAME.yaml.
    """
    from flows.cli.corpus import BuildOptions, build_command

    return build_command(BuildOptions(**options))  # type: ignore[arg-type]  # click's keywords are the fields


@corpus.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_in_store
def corpus_list(as_json: bool) -> int:
    """List the sealed corpora of this store."""
    from flows.cli.corpus import list_command

    return list_command(as_json=as_json)


@corpus.command("show")
@click.argument("reference", metavar="NAME[@VERSION]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_in_store
def corpus_show(reference: str, as_json: bool) -> int:
    """Print a corpus's data card; without a version, that of the latest."""
    from flows.cli.corpus import show_command

    return show_command(reference, as_json=as_json)


@corpus.command("diff", short_help="Compare two corpora: added, removed, kept.")
@click.argument("one", metavar="A")
@click.argument("other", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_in_store
def corpus_diff(one: str, other: str, as_json: bool) -> int:
    """Compare two corpora (NAME[@VERSION]): what was added, removed and kept."""
    from flows.cli.corpus import diff_command

    return diff_command(one, other, as_json=as_json)


@corpus.command("export")
@click.argument("reference", metavar="NAME[@VERSION]")
@click.option("--to", "target", type=_FOLDER, required=True, help="File to write, JSON lines.")
@click.option("--model", help="Write texts as this model's chat template renders them.")
@_in_store
def corpus_export(**options: object) -> int:
    """Write a corpus's sequences as JSON lines."""
    from flows.cli.corpus import ExportOptions, export_command

    return export_command(ExportOptions(**options))  # type: ignore[arg-type]  # click's keywords are the fields


@corpus.command("check", short_help="Hold a corpus against a suite and a model.")
@click.argument("corpus", metavar="NAME[@VERSION]|SPEC")
@click.option("--suite", type=_FOLDER, required=True, help="Folder with suite.yaml and its items.")
@click.option("--model", help="Also say what this model's tokenizer and backends make of it.")
@click.option("--recipes", help="Recipe names or patterns whose effective use is shown, by commas.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_in_store
def corpus_check(**options: object) -> int:
    """Hold a corpus against a suite: contamination, coverage, effective use, health.

    Exit codes: 0 fine, 2 problems, 3-6 an error.
    """
    from flows.cli.corpus_check import CheckOptions, check_command

    return check_command(CheckOptions(**options))  # type: ignore[arg-type]  # click's keywords are the fields


@corpus.command("drift")
@click.argument("corpus", metavar="NAME[@VERSION]")
@click.option("--traffic", required=True, help="Chat log (JSON lines), or mlflow:EXPERIMENT.")
@click.option("--model", help="Also compare tokens as this model would count them.")
@click.option("--alpha", default=0.01, show_default=True, help="False-alarm rate of the whole.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_in_store
def corpus_drift(**options: object) -> int:
    """Hold today's traffic against a corpus.

    Exit codes: 0 no drift, 10 drift found, 2-6 an error.
    """
    from flows.cli.drift import DriftOptions, drift_command

    return drift_command(DriftOptions(**options))  # type: ignore[arg-type]  # click's keywords are the fields


@main.command(short_help="List the bundled recipes and whether they can be built here.")
@click.option("--format", "file_format", type=_FORMATS, help="Only recipes of this format.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_clean_exit
def recipes(file_format: str | None, as_json: bool) -> int:
    """List the bundled recipes: what they make, what they need, what judges them."""
    from flows.cli.recipes import recipes_command

    return recipes_command(Format(file_format) if file_format else None, as_json=as_json)


@main.command(short_help="Decide about the changed answers of a build.")
@click.argument("build")
@click.option("--html", type=_FOLDER, help="Write the queue as an HTML form instead of asking.")
@click.option("--import", "import_file", type=_FOLDER, help="Take decisions from a saved file.")
@click.option(
    "--labels", type=_FOLDER, help="Write answers that a judge model graded, to be labelled."
)
@click.option(
    "--take", type=_COUNT, default=60, show_default=True, help="Items a variant on that sheet."
)
@click.option("--who", help="Who decides (default: your user name).")
@click.option("--all", "everything", is_flag=True, help="Ask again about what was decided before.")
@_in_store
def review(**options: object) -> int:
    """Decide about the changed answers of BUILD: equivalent, better or worse.

    Decisions are kept in the suite's adjudications.jsonl, for your team to commit; the same build run
    again is judged with them, and nothing is asked anew.
    """
    from flows.cli.review import ReviewOptions, review_command

    return review_command(ReviewOptions(**options))  # type: ignore[arg-type]  # click's keywords are the fields


@main.command(short_help="Write a build's runs for inspect-ai, or as transcripts.")
@click.argument("build")
@click.option(
    "--to", "folder", type=_FOLDER, default=Path("logs"), show_default=True, help="Folder."
)
@click.option("--transcripts", is_flag=True, help="Write JSON lines instead, which `judge` reads.")
@_in_store
def export(build: str, folder: Path, transcripts: bool) -> int:
    """Write BUILD's runs as .eval logs, which inspect-ai opens, or as transcripts."""
    from flows.cli.export import export_command, transcripts_command

    return transcripts_command(build, folder) if transcripts else export_command(build, folder)


@main.command(short_help="Judge one run against another, on transcripts alone.")
@click.argument("reference", metavar="RUN_A", type=_FOLDER)
@click.argument("variant", metavar="RUN_B", type=_FOLDER)
@click.option("--policy", type=_FOLDER, help="Policy file (YAML).")
@click.option(
    "--suite", type=_FOLDER, help="Suite folder; by default that of a build in the store."
)
@click.option(
    "--repeat",
    multiple=True,
    type=_FOLDER,
    help="Another run of RUN_A's model, for the noise floor.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_in_store
def judge(**options: object) -> int:
    """Pair RUN_B with the reference RUN_A and judge it, on their transcripts alone.

    A run is a folder below `runs/` of a store, or an exported file of JSON lines.
    Exit codes: 0 pass, 10 fail, 11 inconclusive, 2 not comparable or unreadable.
    """
    from flows.cli.judge import JudgeOptions, judge_command

    return judge_command(JudgeOptions(**options))  # type: ignore[arg-type]  # click's keywords are the fields


@main.command()
@_in_store
def doctor() -> int:
    """Say what is installed, what is missing and how to get it."""
    from flows.cli.doctor import doctor_command

    return doctor_command()


@main.command(short_help="Look for new releases of models and build what is new.")
@click.option(
    "--list", "watch_list", type=_FOLDER, help="Releases file (default flows/releases.yaml)."
)
@click.option("--once", is_flag=True, required=True, help="Look once and end.")
@_in_store
def watch(watch_list: Path | None, once: bool) -> int:  # noqa: ARG001 - --once is the only way as yet
    """Look for new releases of the models that are followed, and build what is new."""
    from flows.orchestration.following import watch_command

    return watch_command(watch_list)


@main.command()
@click.option(
    "--list", "watch_list", type=_FOLDER, help="Releases file (default flows/releases.yaml)."
)
@click.option("--cron", default="0 * * * *", show_default=True, help="When to look.")
@_in_store
def serve(watch_list: Path | None, cron: str) -> int:
    """Follow releases on a schedule, until interrupted."""
    from flows.orchestration.following import serve_command

    return serve_command(watch_list, cron)


@main.command()
@_in_store
def up() -> int:
    """Start this project's Prefect server and let it stay."""
    from flows.cli.build import up_command

    return up_command()


@main.command()
@_in_store
def down() -> int:
    """Stop this project's Prefect server."""
    from flows.cli.build import down_command

    return down_command()
