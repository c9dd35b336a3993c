"""The three standard streams of a command, also of one that was started without them."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.process.secrecy import ResultStream

UNREAD = 141
"""As shells tell SIGPIPE: nobody read what was printed."""

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def open_streams() -> None:
    """Give a command that was started without a standard stream (`2>&-`) an empty one.

    It holds nothing and takes everything. Python leaves `sys.stderr` None then, and the next file that is
    opened gets its number: what a library writes there would go into that file.
    """
    for name, mode in _STREAMS:
        if getattr(sys, name) is None:
            # The lowest number that is free is as a rule the missing one's.
            number = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, mode))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files may be no UTF-8
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def told_to_nobody() -> Iterator[None]:
    """End as documented where help, or another text of click's own, cannot be printed.

    Raises:
        SystemExit: with 141 where nobody reads it (click's own is 1), with 4 where it cannot be written.
    """
    printed = sys.stdout
    try:
        yield
    except SystemExit:
        if isinstance(printed, ResultStream) and printed.unread:
            sys.exit(UNREAD)
        raise
    except ToolchainError as error:
        click.echo(f"quantgate: {error}", err=True)
        sys.exit(error.exit_code)
