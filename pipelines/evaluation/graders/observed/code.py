"""Grades code by running it against tests; a child process does that in a sandbox."""

import platform
import re
from dataclasses import dataclass
from typing import Literal

from quantgate.pipelines.domain.run import Grade
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.graders.reading.expectations import unusable
from quantgate.pipelines.evaluation.graders.reading.fences import without_end_tokens
from quantgate.pipelines.evaluation.graders.reading.grades import judged
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused
from quantgate.pipelines.evaluation.graders.reading.wording import shorten, storable

_FENCE = re.compile(
    r"^[ \t]*(?P<fence>`{3,}|~{3,})(?P<mark>[^\n`]*)\n(?P<body>.*?)^[ \t]*(?P=fence)",
    re.DOTALL | re.MULTILINE,
)
_OPEN_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n`]*\n(?P<body>.*)\Z", re.DOTALL | re.MULTILINE)
_LANGUAGE = re.compile(r"[\s{.]*(?P<name>\w*)")
_MARKS = frozenset({"", "python", "python3", "py"})
_KEYS = frozenset({"tests", "entry_point", "prompt"})
_INDENT = "    "


@dataclass(frozen=True, slots=True, kw_only=True)
class _ExpectedTests:
    tests: str
    entry_point: str
    prompt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeGrader:
    """Runs an answer's program and then its tests, in one module; right where every test passes.

    `expected` is `{tests, entry_point?, prompt?}`. `tests` is Python; where it defines `check` and there
    is an `entry_point`, `check(entry_point)` is called after it, as HumanEval does. An answer is a whole
    program, or, with a `prompt` and without a definition of `entry_point`, what continues the prompt.
    Fenced blocks are taken out of an answer; thoughts before it do not count. A whole program may rely on
    what the prompt has above the entry point (imports, helpers).

    `seconds` limits the processor time of program and tests together, and the time that both sleep;
    `memory_mib` holds for each process; `packages` lets a program import what this program's own environment
    has, else the standard library only.
    Without a working sandbox an answer is not run, unless `allow_unsandboxed` says so.
    """

    language: Literal["python"] = "python"
    seconds: float = 10.0
    memory_mib: int = 1024
    packages: bool = False
    allow_unsandboxed: bool = False

    @property
    def name(self) -> str:
        """Name and version."""
        return "code@2"

    @property
    def worker(self) -> str:
        """The module that runs programs and their tests."""
        return "quantgate.pipelines.evaluation.workers.code_observe"

    @property
    def options(self) -> JsonObject:
        """Limits, and the version of the language, on which results depend."""
        return {
            "language": self.language,
            "seconds": self.seconds,
            "memory_mib": self.memory_mib,
            "packages": self.packages,
            "allow_unsandboxed": self.allow_unsandboxed,
            "python": platform.python_version(),
        }

    def problem(self, item: Item) -> str | None:
        """Say why the expectation can never be met, or None where there are tests to run."""
        expected = _expected_tests(item.expected)
        return expected.reason if isinstance(expected, Refused) else None

    def question(self, answer_text: str, item: Item) -> JsonValue:
        """Return programs, of which the first that compiles is meant, and the tests.

        `prelude` is what the prompt defines above the entry point: tests may use it, and no answer may change
        what it does to them.
        """
        expected = _expected_tests(item.expected)
        if isinstance(expected, Refused):
            refused = "raise AssertionError('no usable tests')"
            return {"programs": [""], "tests": refused, "entry_point": "", "prelude": ""}
        tests = expected.tests
        if expected.entry_point and re.search(r"^def check\(", tests, re.MULTILINE):
            tests += f"\n\ncheck({expected.entry_point})\n"
        elif expected.entry_point:
            tests = f"{expected.entry_point}\n{tests}"
        programs = _programs(_code(answer_text, expected.entry_point), expected)
        return {
            "programs": [storable(program) for program in programs],
            "tests": storable(tests),
            "entry_point": expected.entry_point,
            "prelude": storable(_above(expected)),
        }

    def grade_observed(self, answer_text: str, item: Item, observation: JsonValue) -> Grade:
        """Grade by what became of the tests; the reason says so where nothing contained them."""
        expected = _expected_tests(item.expected)
        seen = observation if isinstance(observation, dict) else {}
        if isinstance(expected, Refused):
            return judged(
                self.name, problem=unusable(expected.reason), canonical=answer_text.strip()
            )
        where = "; run without a sandbox" if seen.get("sandbox") == "none" else ""
        reason = f"{seen.get('reason') or 'the program was not run'}{where}"
        return judged(
            self.name,
            problem=None if seen.get("passed") is True else reason,
            canonical=_code(answer_text, expected.entry_point).strip(),
            expected=reason,
            way="too slow" if reason.startswith("ran out of time") else "program fails",
        )


def _expected_tests(expected: JsonValue) -> _ExpectedTests | Refused:
    if not isinstance(expected, dict):
        return Refused(reason="it is not {tests, entry_point, prompt}")
    strange = sorted(set(expected) - _KEYS)
    if strange:
        return Refused(
            reason=f"unknown key {shorten(strange[0])!r}; it has tests, entry_point, prompt"
        )
    texts = {key: expected.get(key, "") for key in _KEYS}
    tests, entry_point, prompt = texts["tests"], texts["entry_point"], texts["prompt"]
    if not (isinstance(tests, str) and isinstance(entry_point, str) and isinstance(prompt, str)):
        return Refused(reason="tests, entry_point and prompt are texts")
    if not tests.strip():
        return Refused(reason="it has no tests")
    if entry_point and not entry_point.isidentifier():
        return Refused(reason=f"entry_point {shorten(entry_point)!r} is not a name")
    if prompt and not entry_point:
        return Refused(reason="a prompt needs an entry_point, to tell continuations from programs")
    return _ExpectedTests(tests=tests, entry_point=entry_point, prompt=prompt)


def _code(answer: str, entry_point: str) -> str:
    """The code in an answer: the last fenced block that defines the entry point, else all blocks.

    Spaces before its first line are kept: in a continuation they mean something.
    """
    said = without_end_tokens(answer)
    blocks = [m["body"] for m in _FENCE.finditer(said) if _language(m["mark"]) in _MARKS]
    if not blocks and (unclosed := _OPEN_FENCE.search(said)):
        blocks = [unclosed["body"]]
    if not blocks:
        start = answer.rfind(said)
        indent = answer[answer.rfind("\n", 0, start) + 1 : start]
        return f"{indent}{said}" if indent.isspace() else said
    defining = [block for block in blocks if entry_point and _defines(entry_point).search(block)]
    return defining[-1] if defining else "\n".join(blocks)


def _language(mark: str) -> str:
    """What a fence's info string names: `Python title="a.py"` and `{.python}` are Python."""
    match = _LANGUAGE.match(mark)
    return match["name"].lower() if match else ""


def _programs(code: str, expected: _ExpectedTests) -> tuple[str, ...]:
    """What a piece of code may mean, the likeliest first; only what compiles is run."""
    if not expected.prompt:
        return (code,)
    definition = _defines(expected.entry_point)
    if definition.search(code):
        return (f"{_above(expected)}\n{code}", code)
    if code[:1].isspace():
        return (expected.prompt + code,)
    return tuple(
        expected.prompt + continued
        for continued in (_INDENT + code, _INDENT + code.replace("\n", f"\n{_INDENT}"), code)
    )


def _above(expected: _ExpectedTests) -> str:
    """What a prompt has above the definition of its entry point."""
    definition = _defines(expected.entry_point).search(expected.prompt) if expected.prompt else None
    return expected.prompt[: definition.start()] if definition else ""


def _defines(name: str) -> re.Pattern[str]:
    escaped = re.escape(name)
    return re.compile(
        rf"^(?:(?:async[ \t]+)?def[ \t]+{escaped}\b|class[ \t]+{escaped}\b|{escaped}[ \t]*[:=][^=])",
        re.MULTILINE,
    )
