"""Patterns that a person wrote, searched within a bounded time.

Python's own `re` cannot be interrupted: `(a+)+$` against thirty letters takes longer than a night. The
`regex` package searches with a time limit; its version-0 syntax reads what `re` reads.
"""

from functools import lru_cache
from typing import Literal, Protocol, cast

import regex

from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused
from quantgate.pipelines.evaluation.graders.reading.wording import shorten

SECONDS = 1.0
"""The most one search may take; ordinary patterns take microseconds on the longest answers."""

_MOST_CHARACTERS = 10_000


class Pattern(Protocol):
    """What is used of a compiled pattern; the `regex` package ships no types."""

    @property
    def pattern(self) -> str:
        """The pattern as it was written."""
        ...

    def search(self, string: str, *, timeout: float) -> object | None:
        """Find the pattern anywhere; raises TimeoutError."""
        ...

    def fullmatch(self, string: str, *, timeout: float) -> object | None:
        """Find the pattern in all of the text; raises TimeoutError."""
        ...


@lru_cache(maxsize=4096)
def compiled(pattern: str, *, ignore_case: bool = False) -> Pattern | Refused:
    """Compile a pattern, or say why it is none."""
    if len(pattern) > _MOST_CHARACTERS:
        return Refused(reason=f"pattern {shorten(pattern)!r} is longer than {_MOST_CHARACTERS}")
    try:
        flags = regex.IGNORECASE if ignore_case else 0
        return cast("Pattern", regex.compile(pattern, flags))
    except regex.error as error:
        return Refused(reason=f"pattern {shorten(pattern)!r} is not valid: {error}")
    except (RecursionError, MemoryError, OverflowError, ValueError):
        return Refused(reason=f"pattern {shorten(pattern)!r} is too deep or too large")


def search(
    pattern: Pattern, text: str, where: Literal["anywhere", "whole"] = "anywhere"
) -> bool | Refused:
    """Say whether `pattern` is met anywhere in `text`, or by all of it; refused after `SECONDS`."""
    meet = pattern.search if where == "anywhere" else pattern.fullmatch
    try:
        return meet(text, timeout=SECONDS) is not None
    except TimeoutError:
        shown = shorten(pattern.pattern)
        return Refused(reason=f"pattern {shown!r} needs longer than {SECONDS:g} s on this answer")
    except (RecursionError, MemoryError):
        return Refused(reason=f"pattern {shorten(pattern.pattern)!r} needs too much memory")
