"""How far work is, in words: `120 of 400`, and how long it may still take."""

import time
from collections.abc import Callable

from quantgate.pipelines.process.calls import Progress

_MILLION = 1_000_000
_FIRST_RATE_SECONDS = 1.0
_FIRST_GUESS_SECONDS = 5.0
"""Before that, a rate says nothing: models are still being loaded, caches filled."""


def counted(done: float, total: float | None) -> str:
    """Return `n of m`, `n` where nobody knows of how many, nothing before there is a first."""
    if total:
        return f"{_number(min(done, total))} of {_number(total)}"
    return _number(done) if done else ""


def time_left(seconds: float | None) -> str:
    """Return about how long something may still take; nothing where that is not known."""
    if seconds is None:
        return ""
    if seconds < 60:
        return "under a minute left"
    minutes = round(seconds / 60)
    return f"about {minutes} min left" if minutes < 120 else f"about {minutes / 60:.0f} h left"


def token_rate(tokens_per_second: float | None) -> str:
    """Return how fast tokens are generated; nothing where that is not known."""
    return "" if tokens_per_second is None else f"{tokens_per_second:,.0f} tokens a second"


class Pace:
    """How fast one phase of a unit goes; a new phase (another total, or another name) starts anew."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with no phase."""
        self._clock = clock
        self._phase: tuple[str, int] | None = None
        self._started, self._done_before, self._tokens_before = 0.0, 0, 0
        self.tokens_per_second: float | None = None
        """Tokens generated a second in the phase, since the first answers of it; None where nobody tells."""

    def seconds_left(self, progress: Progress) -> float | None:
        """Return the rest at the pace so far; None where there is no total, or too little to go by.

        What was done before the phase was first heard of (found from an earlier try) is no work of it.
        """
        phase = (progress.what, progress.total)
        if phase != self._phase:
            self._phase, self._started = phase, self._clock()
            self._done_before, self._tokens_before = progress.done, progress.tokens
            self.tokens_per_second = None
        spent, done = self._clock() - self._started, progress.done - self._done_before
        tokens = progress.tokens - self._tokens_before
        if tokens > 0 and spent >= _FIRST_RATE_SECONDS:
            self.tokens_per_second = tokens / spent
        if not progress.total or done <= 0 or spent < _FIRST_GUESS_SECONDS:
            return None
        return spent / done * (progress.total - progress.done)


def _number(value: float) -> str:
    return f"{value / _MILLION:,.1f} M" if value >= _MILLION else f"{value:,.0f}"
