"""What is wrong with a suite, with its place; equal problems of many rows are told once."""

from collections.abc import Sequence
from dataclasses import dataclass

from quantgate.pipelines.domain.errors import InputError

_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong: `line` counts from 1 (a row, in tables); None is the whole file."""

    where: str
    text: str
    line: int | None = None


def _sentences(problems: Sequence[Problem]) -> list[str]:
    """Return one sentence a problem, in order of first appearance, equal ones of several lines joined."""
    lines: dict[str, list[int]] = {}
    for problem in problems:
        lines.setdefault(problem.text, []).extend([] if problem.line is None else [problem.line])
    return [f"{_lines(numbers)}{text}" for text, numbers in lines.items()]


def refused(problems: Sequence[Problem]) -> InputError:
    """Return one error that names the first problem's file and its first twenty problems."""
    where = problems[0].where
    sentences = _sentences([problem for problem in problems if problem.where == where])
    more = f"\n  … and {len(sentences) - _SHOWN} more" if len(sentences) > _SHOWN else ""
    shown = "\n  ".join(["cannot be used:", *sentences[:_SHOWN]])
    return InputError(
        shown + more, where=where, next_step="mend the file and run the same command again"
    )


def _lines(numbers: Sequence[int]) -> str:
    if not numbers:
        return ""
    others = f" and {len(numbers) - 1} more" if len(numbers) > 1 else ""
    return f"line {numbers[0]}{others}: "
