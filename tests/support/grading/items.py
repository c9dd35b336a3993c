"""What tests of graders share: an item that expects something, and a grader by name."""

from typing import Any, cast

from quantgate.pipelines.domain.suites.suite import GraderKind, GraderSpec, Item, Message
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.evaluation.graders.protocol import Grader, ObservedGrader
from quantgate.pipelines.evaluation.graders.table import grader_for


def expecting(expected: JsonValue, **changes: Any) -> Item:
    """Return an item that asks something and expects `expected`; `changes` are fields of `Item`."""
    fields: dict[str, Any] = {
        "id": "one",
        "messages": (Message(role="user", content="?"),),
        "slices": ("some",),
        "expected": expected,
    }
    return Item(**(fields | changes))


def pure_grader(kind: str, **options: JsonValue) -> Grader:
    """Return a pure grader with these options."""
    grader = grader_for(GraderSpec(kind=cast("GraderKind", kind), options=options))
    assert not isinstance(grader, ObservedGrader)
    return grader
