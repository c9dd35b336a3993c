"""The three standard streams of a command, also of one that was started without them."""

import io
import os
import sys

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def open_streams() -> None:
    """Give a command that was started without a standard stream (`2>&-`) an empty one.

    It holds nothing and takes everything. Python leaves `sys.stderr` None then, and the next file that is
    opened gets its number: what a library writes there would go into that file.
    """
    for name, mode in _STREAMS:
        if getattr(sys, name) is None:
            number = os.open(
                os.devnull, os.O_RDWR
            )  # the lowest that is free: as a rule the missing one
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, mode))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files may be no UTF-8
            stream.reconfigure(errors="backslashreplace")
