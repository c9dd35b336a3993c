"""Moments that are comparable between machines, and differ by what a steady clock counted."""

import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Seconds since 1970."""


class SteadyClock:
    """The time of day when it was made, and from then on what the steady clock adds to it.

    So the difference of two moments is a duration, also where the time of day is set between them.
    """

    def __init__(self, time_of_day: Clock = time.time, steady: Clock = time.monotonic) -> None:  # noqa: TID251 - here it is made
        """Look at the time of day, once."""
        self._steady = steady
        self._ahead = time_of_day() - steady()

    def __call__(self) -> float:
        """Return the seconds since 1970."""
        return self._ahead + self._steady()
