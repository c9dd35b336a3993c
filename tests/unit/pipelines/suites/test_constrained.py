"""`decode.constrained: both`, and what is refused while planning where answers are to be bound."""

import json
from pathlib import Path
from typing import Any

import pytest

from quantgate.flows.build.preflight.all import refuse_unbound
from quantgate.flows.wiring import Tools
from quantgate.pipelines.domain.errors import InputError, ToolchainError
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.suites.load import load_suite
from tests.support.fakes import FakeRuntime

SCHEMA = {"type": "object", "properties": {"b": {"const": 1}, "a": {"const": 2}}}


def _suite(folder: Path, *rows: dict[str, Any], constrained: str = "both") -> Suite:
    folder.mkdir(exist_ok=True)
    (folder / "suite.yaml").write_text(
        "name: demo\nversion: 1\ngrader: json\nslices: {some: {}}\n"
        f"decode: {{max_tokens: 8, stop: [x], constrained: {constrained}}}\n"
    )
    items = ({"prompt": "?", "expected": {"b": 1}, "slices": ["some"], **row} for row in rows)
    (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    return load_suite(folder)


def _equipment(*, binds: bool) -> Tools:
    return Tools(backends={}, runtimes={"fake": FakeRuntime(binds=binds)}, run_worker=run_worker)


def test_items_with_a_schema_are_asked_twice_in_slices_of_their_own(tmp_path: Path) -> None:
    suite = _suite(tmp_path, {"id": "x", "schema": SCHEMA}, {"id": "y"})
    asked = [(item.id, item.slices, item.group) for item in suite.items]
    assert asked == [
        ("x", ("some", "unconstrained"), "x"),
        ("x+constrained", ("some", "constrained"), "x"),
        ("y", ("some",), None),
    ]
    assert [suite.decode_of(item).constrained for item in suite.items] == [False, True, False]
    assert [suite.decode_of(item).stop for item in suite.items] == [("x",)] * 3
    assert [one.name for one in suite.slices] == ["some", "unconstrained", "constrained"]


def test_items_that_say_themselves_whether_they_are_bound_are_asked_once(tmp_path: Path) -> None:
    row = {"id": "x", "schema": SCHEMA, "decode": {"constrained": True}, "group": "g"}
    suite = _suite(tmp_path, row, {"id": "z", "schema": SCHEMA, "decode": {"max_tokens": 3}})
    assert [item.id for item in suite.items] == ["x", "z", "z+constrained"]
    assert [suite.decode_of(item).max_tokens for item in suite.items] == [8, 3, 3]
    assert [suite.decode_of(item).constrained for item in suite.items] == [True, False, True]


def test_without_both_nothing_is_added(tmp_path: Path) -> None:
    suite = _suite(tmp_path, {"id": "x", "schema": SCHEMA}, constrained="true")
    assert [item.id for item in suite.items] == ["x"]
    assert [one.name for one in suite.slices] == ["some"]
    assert suite.decode.constrained


def test_a_runtime_that_cannot_bind_is_one_error_while_planning(tmp_path: Path) -> None:
    suite = _suite(tmp_path, {"id": "x", "schema": SCHEMA})
    refuse_unbound(suite, ["fake"], _equipment(binds=True))
    with pytest.raises(ToolchainError, match=r"fake cannot bind .* 1 items \(first 'x\+constr"):
        refuse_unbound(suite, ["fake"], _equipment(binds=False))
    free = _suite(tmp_path, {"id": "x", "schema": SCHEMA}, constrained="false")
    refuse_unbound(free, ["fake"], _equipment(binds=False))


def test_a_schema_without_a_grammar_is_named_while_planning(tmp_path: Path) -> None:
    suite = _suite(tmp_path, {"id": "x", "schema": {"type": "string", "enum": [1]}})
    with pytest.raises(InputError, match=r"item 'x\+constrained': the JSON schema allows nothing"):
        refuse_unbound(suite, ["fake"], _equipment(binds=True))
