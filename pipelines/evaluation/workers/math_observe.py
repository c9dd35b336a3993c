"""Worker: compares formulas by meaning, each in a process of its own that may run out of time or memory.

sympy can compute for ever, and take all memory, on one short line (`10^{10^{10}}`). Signals, by which
math-verify bounds its own time, do not interrupt native code; a killed process always ends. The time is the
processor's: on a busy machine a formula is compared later, and as well.
"""

import json
import os
import re
import resource
import select
import signal
import sys
import time
import unicodedata
from collections.abc import Callable
from typing import Any, NoReturn, cast

from math_verify import parse, verify

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.observing import ObserveCall, ObserveTally
from quantgate.pipelines.evaluation.workers.observations import observe_each
from quantgate.pipelines.process.calls import OnProgress
from quantgate.pipelines.process.endings.causes import brought_upon_itself, signal_of
from quantgate.pipelines.process.harness import serve

Compare = Callable[[JsonObject, JsonObject], JsonObject]

_MEMORY_BYTES = 2 << 30
_PATIENCE_SECONDS, _PATIENCE_TIMES = 60.0, 20.0
"""How long a child may take on a busy machine: seconds, and times its own processor time."""
_MOST_SAID_BYTES = 64 * 1024
_MOST_FORMULA_CHARACTERS = 500
_MATHS = ("$", "\\boxed", "\\(", "\\[", "\\begin")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_FUNCTION = re.compile(
    r"(?<![\\A-Za-z])((?:arc)?(?:sin|cos|tan|cot|sec|csc)h?|log|exp|ln|max|min)(?![A-Za-z])"
)
_FINAL = re.compile(r"####[ \t]{0,9}([^\n]{1,400})")
_WORD = re.compile(r"[^\W\d_]{3}")
_DIGITS = 0.5


def observe(call: ObserveCall, on_progress: OnProgress) -> ObserveTally:
    """Compare every answer; an observation is `{state, equal, found, wanted}`.

    `state` is `compared`, `unparsed` (nothing that is a formula in the answer), `unusable` (none in the
    expectation), `late`, or `failed`.
    """

    def look(question: JsonValue) -> JsonValue:
        return observed(cast("JsonObject", question), call.options)

    return observe_each(call, look, on_progress)


def compared(question: JsonObject, options: JsonObject) -> JsonObject:
    """Say whether the answer's last formula means the same as any that is expected."""
    answer_formulas = _formulas(str(question["answer"]))
    expected = [str(text) for text in cast("list[JsonValue]", question["expected"])]
    expected_formulas = [formulas for text in expected if (formulas := _formulas(text, whole=True))]
    if not expected_formulas:
        return {"state": "unusable"}
    shown = {"wanted": _shown(expected_formulas[0])}
    if not answer_formulas:
        return {"state": "unparsed", **shown}
    equal = any(_equal(accepted, answer_formulas, options) for accepted in expected_formulas)
    return {"state": "compared", "equal": equal, "found": _shown(answer_formulas), **shown}


def observed(question: JsonObject, options: JsonObject, compare: Compare = compared) -> JsonObject:
    """Return an observation, made in a process of its own; one that is killed from outside is made again.

    Raises:
        WorkerError: where it is killed again, or the machine gives it too little of its time.
    """
    for _ in range(2):
        if observation := _in_a_process(question, options, compare):
            return observation
    raise WorkerError(
        "was killed twice while it compared formulas (often: out of memory)",
        next_step="free memory, and run the same command again",
    )


def _in_a_process(question: JsonObject, options: JsonObject, compare: Compare) -> JsonObject | None:
    """Return an observation, None where the process was killed from outside: that says nothing.

    Raises:
        WorkerError: where the machine gives it too little of its time.
    """
    seconds = float(str(options["seconds"]))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _answer(writer, question, options, compare)
    os.close(writer)
    try:
        said = _read(reader, time.monotonic() + _PATIENCE_SECONDS + _PATIENCE_TIMES * seconds)
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    number = signal_of(os.waitstatus_to_exitcode(status))
    if number == signal.SIGPROF:
        return {"state": "late"}
    try:
        value: JsonObject = json.loads(said)
    except ValueError:
        killed = number is not None and not brought_upon_itself(number)
        return None if killed else {"state": "failed"}
    return value


def _read(reader: int, deadline: float) -> bytes:
    """Return what was said until the end."""
    said = b""
    while len(said) <= _MOST_SAID_BYTES:
        ready, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise WorkerError(
                "a formula got too little processor time to be compared: this machine is too busy",
                where="math",
                next_step="run it again when the machine has less to do",
            )
        chunk = os.read(reader, 8192)
        if not chunk:
            break
        said += chunk
    return said


def _answer(writer: int, question: JsonObject, options: JsonObject, compare: Compare) -> NoReturn:
    try:
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
        signal.signal(signal.SIGPROF, signal.SIG_DFL)  # it ends the process, native code or not
        signal.setitimer(signal.ITIMER_PROF, float(str(options["seconds"])))
        said = json.dumps(compare(question, options)).encode()
    except BaseException as error:  # noqa: BLE001 – sympy raises whatever it likes, MemoryError too
        sys.stderr.write(f"{type(error).__name__}\n")
        said = b'{"state": "failed"}'
    os.write(writer, said[:_MOST_SAID_BYTES])
    os._exit(0)


def _equal(expected: list[Any], answered: list[Any], options: JsonObject) -> bool:
    decimals = int(str(options["decimals"]))
    same = verify(
        expected,
        answered,
        float_rounding=decimals,
        strict=bool(options["strict"]),
        timeout_seconds=None,
    )
    return bool(same) and _near(expected[0], answered[0], decimals)


def _near(expected: Any, answered: Any, digits: int) -> bool:
    """Rounded to decimals, all small numbers are equal: they have to agree in significant digits too."""
    try:
        left, right = complex(expected), complex(answered)
    except (TypeError, ValueError, AttributeError, OverflowError):
        return True
    percent = (right, right / 100, right * 100)  # math-verify reads 50 % as 50 and as 0.5
    return any(abs(left - value) <= _DIGITS * 10 ** (1 - digits) * abs(left) for value in percent)


def _formulas(text: str, *, whole: bool = False) -> list[Any]:
    """What math-verify makes of a text: the formula, and how it was written.

    What stands after the last `####` is the answer, as GSM8K has it: math-verify itself may take a number of
    the steps before it. `whole` says that all of the text is a formula. An answer without any is tried as
    one where it is a line without words.
    """
    if not whole and (finals := _FINAL.findall(text)):
        final = finals[-1]
        if read := _formulas(final, whole=not _WORD.search(_COMMAND.sub(" ", final))):
            return read
    text = _plain_digits(text)
    marked = any(mark in text for mark in _MATHS)
    if whole and not marked and (read := _parsed(f"${text}$")):
        return read
    if read := _parsed(text):
        return read
    line = _FUNCTION.sub(r"\\\1", text.strip())
    short = len(line) <= _MOST_FORMULA_CHARACTERS and "\n" not in line
    if line and short and not marked and not _WORD.search(_COMMAND.sub(" ", line)):
        return _parsed(f"${line}$")
    return []


def _parsed(text: str) -> list[Any]:
    read: list[Any] = parse(text, parsing_timeout=None)
    return read if read and not isinstance(read[0], str) else []


def _plain_digits(text: str) -> str:
    """Every script's decimal digits as ASCII ones, and the minus sign as a hyphen."""
    plain = text.replace("\N{MINUS SIGN}", "-").replace("\N{ARABIC DECIMAL SEPARATOR}", ".")
    return "".join(
        str(unicodedata.decimal(character))
        if character.isdecimal() and not character.isascii()
        else character
        for character in plain
    )


def _shown(formulas: list[Any]) -> str:
    return str(formulas[0])[:2000]


if __name__ == "__main__":
    serve(observe, ObserveCall)
