"""HumanEval's rows as they are: reference solutions pass in the sandbox, corrupted ones do not."""

import ast
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.evaluation.sandbox.choose import working_sandbox
from tests.support.grading.items import expecting
from tests.support.grading.observing import grades, observed_grader
from tests.support.real_rows import real_rows

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _sandboxed() -> None:
    if working_sandbox() is None:
        pytest.skip("no sandbox works here: neither bubblewrap nor the kernel's namespaces")


def item_of(row: dict[str, Any]) -> Item:
    """A row of HumanEval as an item."""
    expected = {"tests": row["test"], "entry_point": row["entry_point"], "prompt": row["prompt"]}
    return expecting(expected, id=row["id"])


def whole_program(row: dict[str, Any]) -> str:
    """A chat model's answer: the whole function in a fence, without the prompt's imports and helpers."""
    source = row["prompt"] + row["expected"]
    wanted = [
        ast.get_source_segment(source, node)
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name == row["entry_point"]
    ]
    return f"Here it is:\n\n```python\n{wanted[-1]}\n```\n"


@pytest.mark.parametrize(
    "step",
    [pytest.param(4, id="every_fourth"), pytest.param(1, id="every", marks=pytest.mark.slow)],
)
def test_every_reference_solution_passes_as_a_continuation_and_as_a_program(
    step: int, tmp_path: Path
) -> None:
    rows = real_rows("humaneval")[::step]
    answered = [(item_of(row), row["expected"]) for row in rows]
    answered += [(item_of(row), whole_program(row)) for row in rows[::4]]

    graded = grades(observed_grader("code"), answered, tmp_path)

    assert len(rows) == 164 // step
    assert {
        item.id: g.reason for (item, _), g in zip(answered, graded, strict=True) if not g.correct
    } == {}


@pytest.mark.parametrize(
    "step",
    [pytest.param(4, id="every_fourth"), pytest.param(1, id="every", marks=pytest.mark.slow)],
)
def test_no_corrupted_solution_passes(step: int, tmp_path: Path) -> None:
    rows = real_rows("humaneval")[::step]
    answered = [(item_of(row), "    return None\n") for row in rows]
    answered += [(item_of(row), row["expected"] + "    return ((\n") for row in rows[::4]]
    answered += [(item_of(row), "    while True: pass\n") for row in rows[:4]]
    answered += [(item_of(row), "    import os; os._exit(0)\n") for row in rows[:4]]

    graded = grades(observed_grader("code", seconds=2.0), answered, tmp_path)

    assert [item.id for (item, _), g in zip(answered, graded, strict=True) if g.correct] == []
    assert all(g.reason == "ran out of time (2 s)" for g in graded[-8:-4])
