"""What a unit needs of the units before it, as a value: sealed, or missing."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.sealed import is_sealed, read_sealed

Value = TypeVar("Value")
Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Sealed(Generic[Value]):
    """What was sealed."""

    value: Value


@dataclass(frozen=True, slots=True)
class Missing:
    """Nothing is sealed of this unit."""

    unit: str


def sealed_record(folder: Path, record_type: type[Record], unit: str) -> "Sealed[Record] | Missing":
    """Return what a folder was sealed with, or that it is missing; nothing is made.

    Raises:
        InputError: where it was altered since.
    """
    if not is_sealed(folder):
        return Missing(unit)
    return Sealed(read_sealed(folder, record_type).record)


def required(value: "Sealed[Value] | Missing") -> Value:
    """Return what was sealed.

    Raises:
        InputError: where it is missing.
    """
    if isinstance(value, Missing):
        raise InputError(
            "is not sealed, or not any more",
            where=value.unit,
            next_step="run the same command again: what is missing is made",
        )
    return value.value


class Once(Generic[Value]):
    """Values that are worked out once a process, by key. Two threads may both do so, and get the same."""

    def __init__(self) -> None:
        """Begin with none."""
        self._values: dict[str, Value] = {}

    def __call__(self, key: str, work_out: Callable[[], Value]) -> Value:
        """Return the value of a key, worked out where it is not known yet."""
        if key not in self._values:
            self._values[key] = work_out()
        return self._values[key]

    def keep(self, key: str, value: Value) -> Value:
        """Have this value from now on, which somebody has worked out just now; returns it."""
        self._values[key] = value
        return value
