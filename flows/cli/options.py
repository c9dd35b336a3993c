"""What commands share: kinds of options, the store they open, and how they end."""

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import click

from quantgate.flows.cli.crashes import failure_of
from quantgate.pipelines.domain.errors import InputError, InterruptionError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.files.reading import at_home
from quantgate.pipelines.files.store import STORE_FOLDER, STORE_VARIABLE
from quantgate.pipelines.process.secrecy import hide_secrets
from quantgate.pipelines.process.signals import Ending, children_end_first

Parameters = ParamSpec("Parameters")

_UNREAD = 141  # what a shell says of a program that SIGPIPE ended
FOLDER = click.Path(path_type=Path)
COUNT = click.IntRange(min=1, max=10**9)
FORMATS = click.Choice([each.value for each in Format], case_sensitive=False)
"""File formats of variants, in any case."""


def clean_exit(command: Callable[Parameters, int]) -> Callable[Parameters, None]:
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
    type=FOLDER,
    expose_value=False,
    callback=_use_store,
    help=f"Store folder (default {STORE_VARIABLE}, else the nearest {STORE_FOLDER} upwards).",
)


def in_store(command: Callable[Parameters, int]) -> Callable[Parameters, None]:
    """As `clean_exit`, for commands that read or write a store: they take `--store`."""
    return _store_option(clean_exit(command))
