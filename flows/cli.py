"""The command line. Importing this module costs nothing heavy: every command imports what it needs.

Exit codes: 0 something passed and is registered (or the command did what it was asked), 10 all
variants failed, 11 nothing passed and something was inconclusive, 12 a look-up found nothing, 2-6 the
kind of error (see pipelines.domain.errors), 130 interrupted.
"""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import click

from pipelines.domain.errors import QuantgateError
from pipelines.domain.recipe import Format
from pipelines.files.full_disk import full_disk

Parameters = ParamSpec("Parameters")

_INTERRUPTED = 130
_FOLDER = click.Path(path_type=Path)
_FORMATS = click.Choice([one.value for one in Format])


def _clean_exit(command: Callable[Parameters, int]) -> Callable[Parameters, None]:
    """End with the command's exit code; a known error is a few lines, never a traceback."""

    @wraps(command)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        try:
            code = command(*args, **kwargs)
        except QuantgateError as error:
            click.echo(f"quantgate: {error}", err=True)
            code = error.exit_code
        except OSError as error:
            full = full_disk(error, Path.cwd())
            if full is None:
                raise
            click.echo(f"quantgate: {full}", err=True)
            code = full.exit_code
        except KeyboardInterrupt:
            click.echo("quantgate: interrupted; finished units are kept", err=True)
            code = _INTERRUPTED
        sys.exit(code)

    return run


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="quantgate")
def main() -> None:
    """Quantize a checkpoint, run your own tasks on every variant, register only what passes."""


@main.command()
@click.argument("model", required=False)
@click.option("--build", "build_file", type=_FOLDER, help="Build file (YAML); options override it.")
@click.option("--suite", type=_FOLDER, help="Folder with suite.yaml and its items.")
@click.option("--corpus", type=_FOLDER, help="Corpus spec (YAML) to calibrate on.")
@click.option("--recipes", help="Recipe names, patterns or files, by commas: 'Q4*,mine.yaml'.")
@click.option("--kv", metavar="TYPES", help="KV-cache types of GGUF recipes: f16, q8_0, q4_0.")
@click.option("--policy", type=_FOLDER, help="Policy file (YAML).")
@click.option("--plan", "plan_only", is_flag=True, help="Print every unit of work and stop.")
@click.option("--only", metavar="ID", help="Run a single unit, by identifier or recipe name.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON on standard output."
)
@_clean_exit
def quantize(model: str | None, **options: object) -> int:
    """Build, judge and register variants of MODEL (a folder, or org/name[@revision]).

    Exit codes: 0 something passed and is registered, 10 all failed, 11 nothing passed and something
    was inconclusive, 2-6 an error.
    """
    from flows.commands import QuantizeOptions, quantize_command

    return quantize_command(QuantizeOptions(model=model, **options))  # type: ignore[arg-type]  # click's keywords are the fields


@main.command()
@click.argument("model")
@click.option("--suite", help="Only versions judged on this suite.")
@click.option("--runtime", help="Only versions judged in this runtime.")
@click.option(
    "--format", "file_format", help="Only this format: gguf, compressed-tensors, awq or gptq."
)
@click.option("--max-size", help="Only versions up to this size, e.g. 6GB or 500MiB.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_clean_exit
def lookup(model: str, **options: str | bool | None) -> int:
    """Print the smallest passing variant of MODEL: name, version, where it lies, verdict."""
    from flows.commands import LookupOptions, lookup_command

    return lookup_command(LookupOptions(model=model, **options))  # type: ignore[arg-type]  # click's keywords are the fields


@main.command()
@click.argument("reference", metavar="NAME[@ALIAS|/VERSION]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_clean_exit
def lineage(reference: str, as_json: bool) -> int:
    """Print which corpus a registered variant was quantized against, and its whole lineage."""
    from flows.commands import lineage_command

    return lineage_command(reference, as_json=as_json)


@main.command()
@click.option("--format", "file_format", type=_FORMATS, help="Only recipes of this format.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_clean_exit
def recipes(file_format: str | None, as_json: bool) -> int:
    """List the bundled recipes: what they make, what they need, what judges them."""
    from flows.recipe_list import recipes_command

    return recipes_command(Format(file_format) if file_format else None, as_json=as_json)


@main.command()
@_clean_exit
def doctor() -> int:
    """Say what is installed, what is missing and how to get it."""
    from flows.doctor import doctor_command

    return doctor_command()


@main.command()
@click.option(
    "--list", "watch_list", type=_FOLDER, help="Releases file (default flows/releases.yaml)."
)
@click.option("--once", is_flag=True, required=True, help="Look once and end.")
@_clean_exit
def watch(watch_list: Path | None, once: bool) -> int:  # noqa: ARG001 - --once is the only way as yet
    """Look for new releases of the models that are followed, and build what is new."""
    from flows.following import watch_command

    return watch_command(watch_list)


@main.command()
@click.option(
    "--list", "watch_list", type=_FOLDER, help="Releases file (default flows/releases.yaml)."
)
@click.option("--cron", default="0 * * * *", show_default=True, help="When to look.")
@_clean_exit
def serve(watch_list: Path | None, cron: str) -> int:
    """Follow releases on a schedule, until interrupted."""
    from flows.following import serve_command

    return serve_command(watch_list, cron)


@main.command()
@_clean_exit
def up() -> int:
    """Start this project's Prefect server and let it stay."""
    from flows.commands import up_command

    return up_command()


@main.command()
@_clean_exit
def down() -> int:
    """Stop this project's Prefect server."""
    from flows.commands import down_command

    return down_command()
