"""How much is told on standard error: `--quiet` and `--verbose` of any command, or QUANTGATE_LOUDNESS."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum

LOUDNESS_VARIABLE = "QUANTGATE_LOUDNESS"


class Loudness(StrEnum):
    """What is told beside results and errors."""

    QUIET = "quiet"
    """Nothing."""
    USUAL = "usual"
    """Progress: bars on a terminal, lines elsewhere."""
    VERBOSE = "verbose"
    """Progress as lines with the time, and with errors where in the program they came up."""


def loudness(environment: Mapping[str, str] = os.environ) -> Loudness:
    """Return what the environment asks for; what it has no word for is the usual."""
    text = environment.get(LOUDNESS_VARIABLE, "")
    return Loudness(text) if text in set(Loudness) else Loudness.USUAL


@contextmanager
def as_loud_as(chosen: Loudness | None) -> Iterator[None]:
    """Let this process, and those that it starts, tell so much until the block ends; None: as before."""
    before = os.environ.get(LOUDNESS_VARIABLE)
    if chosen is not None:
        os.environ[LOUDNESS_VARIABLE] = chosen.value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(LOUDNESS_VARIABLE, None)
        else:
            os.environ[LOUDNESS_VARIABLE] = before
