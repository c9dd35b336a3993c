"""How a unit ended and after how long: one description, for logs and for terminals."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from rich.markup import escape

from quantgate.pipelines.domain.errors import InterruptionError

Outcome = Literal["done", "failed", "interrupted"]
_PLAIN: dict[Outcome, str] = {
    "done": "done in",
    "failed": "FAILED after",
    "interrupted": "interrupted after",
}
_SIGNS: dict[Outcome, str] = {
    "done": "[green]✓[/] [bold]",
    "failed": "[red]✗ ",
    "interrupted": "[yellow]– ",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitEnd:
    """A unit that ended."""

    step: str
    identifier: str
    seconds: float
    outcome: Outcome

    @property
    def plain(self) -> str:
        """The line for logs, pipes and CI."""
        return f"{self.step}: {self.identifier} {_PLAIN[self.outcome]} {self.seconds:.0f} s"

    @property
    def markup(self) -> str:
        """The line for a terminal, as rich reads it."""
        named = f"{_SIGNS[self.outcome]}{self.step:<13}[/] {escape(self.identifier)}"
        return f"{named}  [dim]{self.seconds:.0f} s[/]"


@contextmanager
def timed(
    step: str, identifier: str, clock: Callable[[], float], say: Callable[[UnitEnd], None]
) -> Iterator[None]:
    """Time the block and say how it ended.

    It has failed where anything is raised in it, but for an end of the program that was asked for.
    """
    started = clock()
    outcome: Outcome = "failed"
    try:
        yield
        outcome = "done"
    except (KeyboardInterrupt, InterruptionError):
        outcome = "interrupted"
        raise
    finally:
        say(
            UnitEnd(
                step=step,
                identifier=identifier,
                seconds=clock() - started,
                outcome=outcome,
            )
        )
