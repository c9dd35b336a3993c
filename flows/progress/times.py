"""What units of a build took, by the log that every process of every run of it appends to."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from quantgate.flows.progress.recorded import LOG
from quantgate.pipelines.domain.values import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitTime:
    """Seconds that a step of a unit took."""

    step: str
    unit: str
    seconds: float


def unit_times(build: Path) -> tuple[UnitTime, ...]:
    """Return the steps that were done in any run of a build's folder, in the order in which they first were.

    Each counts once, with the longest that it took: another run only looks up what is sealed. A line that is
    damaged is passed over, and a log that cannot be read tells nothing: this is for those who estimate.
    """
    try:
        lines = (build / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    longest: dict[tuple[str, str], float] = {}
    for step, unit, seconds in _done(lines):
        longest[step, unit] = max(seconds, longest.get((step, unit), 0.0))
    return tuple(
        UnitTime(step=step, unit=unit, seconds=seconds) for (step, unit), seconds in longest.items()
    )


def _done(lines: list[str]) -> Iterator[tuple[str, str, float]]:
    for line in lines:
        try:
            event: JsonValue = json.loads(line)
        except ValueError:
            continue
        if not isinstance(event, dict) or event.get("event") != "done":
            continue
        step, unit, seconds = event.get("step"), event.get("unit"), event.get("seconds")
        if isinstance(step, str) and isinstance(unit, str) and isinstance(seconds, int | float):
            yield step, unit, float(seconds)
