"""Code is what an answer's fences hold or what continues a prompt; it is right where its tests passed."""

from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.domain.suites.suite import GraderSpec
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.sandbox import choose, kinds
from quantgate.pipelines.evaluation.sandbox.kinds import SandboxLimits
from tests.support.grading.items import expecting
from tests.support.grading.observing import observed_grader
from tests.support.verdicts.judging import suite_of

PROMPT = 'import math\n\ndef half(x):\n    """Halve."""\n'
EXPECTED: JsonObject = {"tests": "assert half(4) == 2", "entry_point": "half", "prompt": PROMPT}
GRADER = observed_grader("code")


def programs(answer: str, expected: JsonValue = EXPECTED) -> list[str]:
    asked = GRADER.question(answer, expecting(expected))
    assert isinstance(asked, dict)
    listed = asked["programs"]
    assert isinstance(listed, list)
    return [str(program) for program in listed]


def meaning(answer: str, expected: JsonValue = EXPECTED) -> object:
    """Run the program that is meant, and call it."""
    for program in programs(answer, expected):
        try:
            code = compile(program, "<answer>", "exec")
        except SyntaxError:
            continue
        names: dict[str, object] = {}
        exec(code, names)
        half = names["half"]
        return half(4) if callable(half) else None
    raise AssertionError("nothing compiles")


@pytest.mark.parametrize(
    "answer",
    [
        "    return x / 2\n",
        "return x / 2",
        "y = x\n    return y / 2",
        "y = x\nreturn y / 2",
        "if x:\n    return x / 2\nreturn 0",
        "def half(x):\n    return x / math.floor(2)\n",
        "Sure!\n```python\ndef half(x):\n    return x / 2\n```\nIt halves.",
        "```\n    return x / 2\n```",
        "```py\ndef half(x):\n    return 0\n```\nBetter:\n```py\ndef half(x):\n    return x / 2\n```",
        "```python\ndef half(x):\n    return x / 2\n```\n```bash\npython half.py\n```",
        "```python\ndef half(x):\n    return x / 2",
        "<think>```python\ndef half(x):\n    return 0\n```</think>\ndef half(x):\n    return x / 2",
        "~~~python\ndef half(x):\n    return x / 2\n~~~",
        '```Python title="half.py"\r\ndef half(x):\r\n    return x / 2\r\n```',
        "````{.python}\ndef half(x):\n    return x / 2\n````",
        "half = lambda x: x / 2",
        "    return x / 2<|im_end|>",
    ],
)
def test_code_is_found_in_what_models_write(answer: str) -> None:
    assert meaning(answer) == 2


def test_a_program_without_a_prompt_is_run_as_it_is() -> None:
    assert programs("x = 1", {"tests": "assert x"}) == ["x = 1"]


def test_humanevals_check_is_called_with_the_entry_point() -> None:
    tests = "def check(candidate):\n    assert candidate(4) == 2\n"
    asked = GRADER.question("    return x / 2", expecting({**EXPECTED, "tests": tests}))

    assert isinstance(asked, dict)
    assert str(asked["tests"]).endswith("\ncheck(half)\n")


@pytest.mark.parametrize(
    "text",
    ["", "\x00", "\ud800", "```", "a" * 1_000_000, "`" * 300_000, "```\n" * 200_000, " \n" * 9],
)
def test_whatever_a_model_says_is_a_question_that_can_be_stored_and_a_grade(text: str) -> None:
    asked = GRADER.question(text, expecting(EXPECTED))
    grade = GRADER.grade_observed(text, expecting(EXPECTED), None)

    assert isinstance(asked, dict)
    str(asked).encode()
    assert not grade.correct
    assert grade.reason == "the program was not run"
    grade.canonical.encode()


@pytest.mark.parametrize(
    ("expected", "problem"),
    [
        ("assert True", "it is not {tests"),
        ({"tests": " "}, "it has no tests"),
        ({"test": "x"}, "unknown key 'test'"),
        ({"tests": 1}, "are texts"),
        ({"tests": "x", "entry_point": "a b"}, "is not a name"),
        ({"tests": "x", "prompt": "def f():"}, "needs an entry_point"),
    ],
)
def test_an_expectation_that_no_program_can_meet_is_named(
    expected: JsonValue, problem: str
) -> None:
    assert problem in (GRADER.problem(expecting(expected)) or "")
    assert GRADER.problem(expecting(EXPECTED)) is None


def test_only_a_passed_observation_is_right_and_a_missing_sandbox_is_said() -> None:
    def graded(observation: JsonValue) -> tuple[bool, str]:
        grade = GRADER.grade_observed("return 1", expecting(EXPECTED), observation)
        return grade.correct, grade.reason

    assert graded({"passed": True, "reason": "passed the tests", "sandbox": "bwrap"})[0]
    assert graded({"passed": "true", "reason": "no", "sandbox": "bwrap"}) == (False, "no")
    assert graded({"passed": True, "reason": "passed the tests", "sandbox": "none"}) == (
        True,
        "passed the tests; run without a sandbox",
    )


def test_equal_programs_are_the_same_answer_however_they_are_fenced() -> None:
    forms = ("def half(x):\n    return x", "```python\ndef half(x):\n    return x\n```")
    canonical = [GRADER.grade_observed(t, expecting(EXPECTED), None).canonical for t in forms]
    assert canonical[0] == canonical[1]


@pytest.fixture
def without_sandboxes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without bubblewrap, whose kernel refuses namespaces."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.delenv("QUANTGATE_ALLOW_UNSANDBOXED", raising=False)
    choose.working_sandbox.cache_clear()


@pytest.mark.usefixtures("without_sandboxes")
def test_a_suite_with_code_is_refused_where_nothing_contains_it_unless_that_is_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = suite_of([("some",)])
    code = _with_grader(plain, GraderSpec(kind="code"))
    allowed = _with_grader(plain, GraderSpec(kind="code", options={"allow_unsandboxed": True}))

    choose.refuse_unsandboxed(plain)
    choose.refuse_unsandboxed(allowed)
    assert choose.chosen_sandbox(allow_unsandboxed=True) == "none"
    with pytest.raises(ToolchainError, match="none works here") as refused:
        choose.refuse_unsandboxed(code)
    assert "bubblewrap" in str(refused.value)
    monkeypatch.setenv("QUANTGATE_ALLOW_UNSANDBOXED", "1")
    choose.refuse_unsandboxed(code)
    choose.working_sandbox.cache_clear()


def _with_grader(suite, spec: GraderSpec):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return replace(suite, grader=spec, items=tuple(replace(i, grader=None) for i in suite.items))


def test_nothing_but_what_the_interpreter_needs_is_bound_into_a_sandbox() -> None:
    command = kinds.command("bwrap", SandboxLimits())
    homes = [one for one in command if one == str(Path.home())]

    assert "--ro-bind" in command
    assert str(Path.cwd()) not in command
    assert "--bind" not in command
    assert command.count("--dir") >= len(homes)
