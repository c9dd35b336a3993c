"""How a unit ended and after how long: one description, for logs and for terminals."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.markup import escape

from quantgate.pipelines.domain.errors import InterruptionError


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitEnd:
    """A unit that ended."""

    step: str
    identifier: str
    seconds: float
    failed: bool
    interrupted: bool = False

    @property
    def plain(self) -> str:
        """The line for logs, pipes and CI."""
        how = "FAILED after" if self.failed else "done in"
        if self.interrupted:
            how = "interrupted after"
        return f"{self.step}: {self.identifier} {how} {self.seconds:.0f} s"

    @property
    def markup(self) -> str:
        """The line for a terminal, as rich reads it."""
        sign = "[red]✗ " if self.failed else "[green]✓[/] [bold]"
        if self.interrupted:
            sign = "[yellow]– "
        return f"{sign}{self.step:<13}[/] {escape(self.identifier)}  [dim]{self.seconds:.0f} s[/]"


@contextmanager
def timed(
    step: str, identifier: str, clock: Callable[[], float], say: Callable[[UnitEnd], None]
) -> Iterator[None]:
    """Time the block and say how it ended.

    It has failed where anything is raised in it, but for an end of the program that was asked for.
    """
    started, failed, interrupted = clock(), True, False
    try:
        yield
        failed = False
    except (KeyboardInterrupt, InterruptionError):
        failed, interrupted = False, True
        raise
    finally:
        say(
            UnitEnd(
                step=step,
                identifier=identifier,
                seconds=clock() - started,
                failed=failed,
                interrupted=interrupted,
            )
        )
