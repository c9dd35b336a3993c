"""What commands share: kinds of options, the store they open, and how they end."""

import os
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from quantgate.flows.cli.crashes import failure_of
from quantgate.flows.cli.streams import UNREAD
from quantgate.flows.progress.loudness import Loudness, as_loud_as, loudness
from quantgate.pipelines.domain.errors import InputError, InterruptionError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.secrets import redacted
from quantgate.pipelines.files.store import STORE_FOLDER, STORE_VARIABLE, store_folder
from quantgate.pipelines.process.secrecy import hide_secrets
from quantgate.pipelines.process.signals import Ending, children_end_first

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")

FOLDER = click.Path(path_type=Path)
COUNT = click.IntRange(min=1, max=10**9)
FORMATS = click.Choice([each.value for each in Format], case_sensitive=False)
"""File formats of variants, in any case."""

FORMS = click.Choice(["csv", "parquet", "json", "markdown", "junit"], case_sensitive=False)
"""What tables are exported as."""


def refuse_idle(
    command: str, options: Mapping[str, object], *, because: str, next_step: str
) -> None:
    """Refuse those of `options` (values by their names on the command line) that were given.

    Raises:
        InputError: naming them; `because` says what they are for.
    """
    given = [name for name, value in options.items() if value not in (None, False, ())]
    if given:
        raise InputError(
            f"{' and '.join(given)} would be passed over: {because}",
            where=f"quantgate {command}",
            next_step=next_step,
        )


_LOUDNESS_GIVEN = "quantgate.loudness"


def _tell(context: click.Context, option: click.Parameter, chosen: bool) -> None:
    """Be as loud as one of the two options says until the command ends."""
    if chosen and option.name is not None:
        if context.meta.setdefault(_LOUDNESS_GIVEN, option.name) != option.name:
            raise click.UsageError("--verbose and --quiet ask for opposites: give one of them")
        context.with_resource(as_loud_as(Loudness(option.name)))


def _loudness_options(command: Callable[Parameters, Returned]) -> Callable[Parameters, Returned]:
    for name, text in (
        ("verbose", "Tell progress as lines with the time, and with errors where they came up."),
        ("quiet", "Tell results, warnings and errors only."),
    ):
        option = click.option(
            f"--{name}", is_flag=True, expose_value=False, callback=_tell, help=text
        )
        command = option(command)
    return command


def clean_exit(command: Callable[Parameters, int]) -> Callable[Parameters, None]:
    """End with the command's exit code; errors are a few lines, with a traceback only where asked for."""

    @wraps(command)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        hide_secrets()
        try:
            with children_end_first():
                code = command(*args, **kwargs)
            sys.stdout.flush()  # at the very end Python would say that it failed, and end with 120
        except (KeyboardInterrupt, InterruptionError) as ending:
            click.echo("quantgate: interrupted; finished units are kept", err=True)
            code = ending.exit_code if isinstance(ending, Ending) else InterruptionError.exit_code
        except BrokenPipeError:  # `quantgate … | head`: nobody reads on
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = UNREAD
        except Exception as error:  # noqa: BLE001 - the last net: a sentence, never a traceback
            if loudness() is Loudness.VERBOSE:
                click.echo(redacted(traceback.format_exc()), err=True)
            failure = failure_of(error)
            click.echo(f"quantgate: {failure}", err=True)
            code = failure.exit_code
        sys.exit(code)

    return _loudness_options(run)


def _use_store(_context: click.Context, _option: click.Parameter, folder: Path | None) -> None:
    """Let this process and its children open the store that `--store` names."""
    if folder is not None:
        try:
            os.environ[STORE_VARIABLE] = str(store_folder(str(folder)))
        except InputError as error:
            raise click.BadParameter(str(error)) from error


_store_option = click.option(
    "--store",
    type=FOLDER,
    expose_value=False,
    callback=_use_store,
    help=f"Store folder (default {STORE_VARIABLE}, else the nearest {STORE_FOLDER} upwards).",
)


def in_store(command: Callable[Parameters, int]) -> Callable[Parameters, None]:
    """As `clean_exit`, for commands that read or write a store: they take `--store`."""
    return _store_option(clean_exit(command))
