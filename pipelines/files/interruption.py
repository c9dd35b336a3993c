"""Whether this program is being ended: who waits stops waiting, who works leaves no result.

Set once, by whoever handles the signal (`pipelines.process.signals`), and never taken back.
"""

import threading

from quantgate.pipelines.domain.errors import InterruptionError


class Interruption:
    """One program's end: asked for or not."""

    def __init__(self) -> None:
        """Start with none."""
        self._begun = threading.Event()

    def begin(self) -> None:
        """Ask every thread to come to its end."""
        self._begun.set()

    def begun(self) -> bool:
        """Whether the end was asked for."""
        return self._begun.is_set()

    def check(self, where: str | None = None) -> None:
        """Go on only while nobody asked for the end.

        Raises:
            InterruptionError: somebody did.
        """
        if self._begun.is_set():
            raise InterruptionError("was interrupted: the program is ending", where=where)


INTERRUPTION = Interruption()
"""This program's."""
