"""What people decide about a version: it is retired for good, or a verdict against it is waived for a time.

Each stands in a tag of the version, a JSON object with reason, name and day.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import TypeVar

from quantgate.registry.tags import RETIRED, waiver_tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """A version that is not to be used any more; `at` is UTC in ISO 8601."""

    reason: str
    who: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictWaiver:
    """A version may be a champion although it does not pass: why, who says so, until when (ISO, inclusive).

    It is about one piece of evidence: a verdict that is made later needs another.
    """

    reason: str
    who: str
    until: str
    evidence_key: str

    def holds_on(self, day: date) -> bool:
        """Whether it has not expired."""
        return day <= date.fromisoformat(self.until)

    def __str__(self) -> str:
        return f"verdict: {self.reason} ({self.who}, until {self.until})"


def retirement(tags: Mapping[str, str]) -> Retirement | None:
    """Return why a version is retired; None where it is not."""
    return _read(Retirement, tags.get(RETIRED))


def waiver_of(tags: Mapping[str, str], suite: str) -> VerdictWaiver | None:
    """Return the newest waiver of a version's verdict on a suite; None where there is none."""
    waiver = _read(VerdictWaiver, tags.get(waiver_tag(suite)))
    try:
        return waiver if waiver is None or date.fromisoformat(waiver.until) else None
    except ValueError:
        return None


def written(decision: Retirement | VerdictWaiver) -> str:
    """Return a decision as its tag's text."""
    return json.dumps(asdict(decision), ensure_ascii=False)


Decided = TypeVar("Decided", Retirement, VerdictWaiver)


def _read(kind: type[Decided], text: str | None) -> Decided | None:
    """Read a decision; what is none, or was damaged by hand, is None."""
    try:
        held = json.loads(text or "null")
        texts = {field.name: held[field.name] for field in fields(kind)}
    except (ValueError, KeyError, TypeError):
        return None
    return kind(**texts) if all(isinstance(value, str) for value in texts.values()) else None
