"""Families of tasks of which the example's own suite is made: each draws for training or for the suite."""

from collections.abc import Callable

from support_desk.texts import Names

from tasks import extraction, facts, formats, german, long_context, refusals, sums
from tasks.task import Task

FAMILIES: dict[str, Callable[[Names], Task]] = {
    "facts": facts.draw,
    "sums": sums.draw,
    "extraction": extraction.draw,
    "format": formats.draw,
    "refusal": refusals.draw,
    "german": german.draw,
    "long_context": long_context.draw,
}
