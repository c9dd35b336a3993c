"""Functions of a suite answer tools from inside a sandbox: their values, their errors, their bounds."""

import json
from pathlib import Path

import pytest

from quantgate.pipelines.domain.suites.turns import ToolFunction
from quantgate.pipelines.evaluation.loops.functions import ToolFunctions, function_call
from quantgate.pipelines.evaluation.observing import ObservationRunner
from quantgate.pipelines.evaluation.sandbox.choose import working_sandbox
from quantgate.pipelines.evaluation.sandbox.function import FunctionQuestion, run_function
from quantgate.pipelines.evaluation.sandbox.kinds import SandboxKind, SandboxLimits
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.runner import run_worker

pytestmark = pytest.mark.integration

SOURCE = """
import time

def total(prices):
    return {"total": sum(prices), "currency": "\u20ac"}

def said(name):
    return f"Hello {name}"

def fails(order_id):
    return {"A-1": 1}[order_id]

def sleeps():
    time.sleep(60)

def long():
    return "x" * 5000

def reads():
    return open("/etc/passwd").read()

def leaves():
    raise SystemExit(0)

def computes():
    while True:
        pass

def ends():
    __import__("os")._exit(0)
"""
LIMITS = SandboxLimits(seconds=1.5, memory_bytes=256 << 20)


@pytest.fixture(scope="module")
def kind() -> SandboxKind:
    found = working_sandbox()
    if found is None:
        pytest.skip("no sandbox works here")
    return found


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("total", {"prices": [1, 2.5]}, '{"total": 3.5, "currency": "\u20ac"}'),
        ("said", {"name": "J\u00f6rg"}, "Hello J\u00f6rg"),
        ("fails", {"order_id": "B"}, """{"error": "fails: KeyError: 'B'"}"""),
        ("sleeps", {}, '{"error": "sleeps: no result within 1.5 s"}'),
        ("computes", {}, '{"error": "computes: no result within 1.5 s"}'),
        ("ends", {}, '{"error": "ends: ended without a result"}'),
        ("long", {}, '{"error": "long: ValueError: its result is longer than 1,000 characters"}'),
        ("leaves", {}, '{"error": "leaves: SystemExit: 0"}'),
    ],
)
def test_a_function_says_its_value_or_what_kept_it_from_one(
    kind: SandboxKind, name: str, arguments: dict[str, object], result: str
) -> None:
    question = FunctionQuestion(
        source=SOURCE,
        name=name,
        arguments=json.loads(json.dumps(arguments)),
        characters=1000,
    )
    assert run_function(kind, question, LIMITS) == result


def test_arguments_that_a_function_does_not_take_are_its_error(kind: SandboxKind) -> None:
    question = FunctionQuestion(source=SOURCE, name="said", arguments={"nme": 1}, characters=99)
    assert "unexpected keyword argument 'nme'" in run_function(kind, question, LIMITS)


def test_a_function_reaches_no_file_of_this_machine(kind: SandboxKind) -> None:
    question = FunctionQuestion(source=SOURCE, name="reads", arguments={}, characters=10**6)
    assert "FileNotFoundError" in run_function(kind, question, LIMITS)


def test_equal_calls_are_run_once_and_kept(kind: SandboxKind, tmp_path: Path) -> None:
    function = ToolFunction(file="tools.py", name="said", source=SOURCE)
    functions = ToolFunctions(
        observation_runner=ObservationRunner(store=Store(root=tmp_path), run_worker=run_worker)
    )
    ann, bob = (function_call(function, {"name": name}) for name in ("Ann", "Bob"))
    assert functions.results([ann, bob, ann]) == {ann: "Hello Ann", bob: "Hello Bob"}
    kept = list((tmp_path / "observations").rglob("observations.jsonl"))
    assert len(kept) == 1
    assert functions.results([bob, ann]) == {ann: "Hello Ann", bob: "Hello Bob"}
    assert list((tmp_path / "observations").rglob("observations.jsonl")) == kept
