"""Telling a machine's shortages from a program's failure by its last words: they say nothing of its input."""

import re

_SHORT_OF_MEMORY = re.compile(
    r"out of memory|memoryerror|bad_alloc|unable to mmap|cannot allocate|can't allocate"
    r"|failed to allocate|unable to allocate|not enough memory|errno 12\b|\benomem\b",
    re.IGNORECASE,
)
_OF_THE_ENVIRONMENT = re.compile(
    r"no space left|disk quota exceeded|too many open files|resource temporarily unavailable"
    r"|can't start new thread|^importerror|^modulenotfounderror|undefined symbol"
    r"|cannot open shared object|^keyboardinterrupt",
    re.IGNORECASE | re.MULTILINE,
)
NEXT_STEP = (
    "end other programs, set QUANTGATE_WORKERS=1, or take a machine with more memory; "
    "then run the same command again"
)


def short_of_memory(words: str) -> bool:
    """Whether a program's last words (or an engine's reason) say that it got no more memory."""
    return _SHORT_OF_MEMORY.search(words) is not None


def of_the_environment(words: str) -> bool:
    """Whether they say that the machine or the environment lacked something else."""
    return _OF_THE_ENVIRONMENT.search(words) is not None
