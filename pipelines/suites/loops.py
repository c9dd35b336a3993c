"""Items with turns: each gets its script, or what is wrong with it."""

from collections.abc import Sequence
from pathlib import Path

from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.suites.items import Placed
from quantgate.pipelines.suites.problems import Problem
from quantgate.pipelines.suites.turns import FunctionError, LoopsFile, with_loop


def scripted(
    items: Sequence[Item],
    placed: Sequence[Placed],
    shared: LoopsFile,
    folder: Path,
    items_at: str,
) -> tuple[tuple[Item, ...], tuple[Problem, ...]]:
    """Return the items with their loops, and what is wrong with those that keep none."""
    complete: list[Item] = []
    problems: list[Problem] = []
    for item, place in zip(items, placed, strict=True):
        try:
            complete.append(with_loop(item, place.row, shared, folder))
        except FunctionError as error:
            text = f"item '{item.id}': {error}"
            problems.append(Problem(where=items_at, line=place.line, text=text))
            complete.append(item)
    return tuple(complete), tuple(problems)
