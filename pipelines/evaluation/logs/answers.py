"""What is taken from a log of whatever tool: answers by id, and what the log itself says of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import JsonValue

_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedAnswer:
    """One answer. `asked` is the prompt, or a digest of it, "" where the log has none.

    `correct` is what the log's own grader said, None where it said nothing of right and wrong; `reason` is
    what it added. `slices` are what the log calls the item: its task, its category.
    """

    id: str
    text: str
    asked: str = ""
    correct: bool | None = None
    reason: str = ""
    slices: tuple[str, ...] = ()
    expected: JsonValue = None
    cut_off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRun:
    """A log. `model` is who answered, `grader` what graded there, "" where nothing did.

    `repeats` are further answers of the same items: the second epoch, the third …
    """

    tool: str
    model: str
    grader: str
    answers: tuple[LoggedAnswer, ...]
    source: Path
    repeats: tuple[tuple[LoggedAnswer, ...], ...] = ()


def logged_run(run: LoggedRun) -> LoggedRun:
    """Return a run whose answers can be told apart.

    Raises:
        InputError: it has no answers, or two of one item.
    """
    if not run.answers:
        raise InputError(
            "holds no answers", where=str(run.source), next_step="name a log whose run has finished"
        )
    ids = [answer.id for answer in run.answers]
    twice = [name for name, count in Counter(ids).items() if count > 1]
    if twice:
        raise InputError(
            f"has several answers of {listed(twice)}",
            where=str(run.source),
            next_step="name a log of one model, and of one attempt an item",
        )
    return run


def listed(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
