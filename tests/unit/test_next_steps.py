"""Who is refused something is told what to do next: every refusal names a step where it is raised."""

import ast
from collections.abc import Iterator

from tests.support.project import HOUSES, PROJECT

REFUSALS = {"CheckpointError", "InputError", "NotFoundError", "ServiceError", "ToolchainError"}
NOT_YET = (
    # what a tool said of a file it does not load is a finding; who asked adds the step
    "pipelines/engines/llamacpp/workers/opening.py",
    "pipelines/engines/workers/strict_loading.py",
    "flows/build/planning/fitting.py",  # `with_fitting_recipes` adds it
)


def silent(source: str) -> Iterator[int]:
    """Yield the lines at which a refusal is made without a next step."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name), keywords=keywords) if name in REFUSALS:
                if not any(keyword.arg in ("next_step", None) for keyword in keywords):
                    yield node.lineno


def test_every_refusal_says_what_to_do_next() -> None:
    files = (file for house in HOUSES for file in sorted((PROJECT / house).rglob("*.py")))
    places = ((file.relative_to(PROJECT).as_posix(), file) for file in files)
    lacking = [
        f"{place}:{line}"
        for place, file in places
        if not place.startswith(NOT_YET)
        for line in silent(file.read_text(encoding="utf-8"))
    ]
    assert lacking == []


def test_a_refusal_without_a_step_is_seen() -> None:
    assert list(silent("raise InputError('no', where='here')")) == [1]
    assert list(silent("raise InputError('no', next_step='spell it')")) == []
