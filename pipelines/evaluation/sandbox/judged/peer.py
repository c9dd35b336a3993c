"""Questions and replies between two processes of which one runs foreign code.

Messages are lines of JSON. Who asks gets one line back: a reply, or a question of the other side that has to
be answered first.

- `{"ask": operation, "of": value, "with": [values], "named": {name: value}, "table": [...]}`
- `{"reply": value, "table": [...], "printed": str}`; instead of `reply`, `raised` may have
  `[class, values, {name: value}]`

A reply's table begins with the question's, as it has become: the asking side changes its own containers so.
"""

import builtins
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from quantgate.pipelines.evaluation.sandbox.judged.values import Table, Values

Operation = Callable[..., Any]
_MALFORMED = (KeyError, TypeError, ValueError, IndexError, ArithmeticError, AttributeError)


class LostError(BaseException):
    """The other process has ended, or says what is no message. No `except Exception` of a test stops it."""


class Lines:
    """Lines of JSON over two descriptors."""

    def __init__(self, read: int, write: int) -> None:
        """Take over both descriptors."""
        self._read, self._write, self._rest = read, write, b""

    def say(self, message: object) -> None:
        """Write one message."""
        line = json.dumps(message).encode() + b"\n"
        while line:
            line = line[os.write(self._write, line) :]

    def hear(self) -> dict[str, Any]:
        """Return the next message.

        Raises:
            LostError: at the end, and where it is no message.
        """
        parts = [self._rest]
        while b"\n" not in parts[-1]:
            chunk = os.read(self._read, 1 << 16)
            if not chunk:
                raise LostError("the other process has ended")
            parts.append(chunk)
        line, _, self._rest = b"".join(parts).partition(b"\n")
        try:
            message = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise LostError("what it says is no JSON") from error
        if not isinstance(message, dict):
            raise LostError("what it says is no message")
        return message


class Peer:
    """One of the two sides."""

    def __init__(self, lines: Lines, operations: dict[str, Operation], values: Values) -> None:
        """Talk over `lines`; `operations` are what the other side may ask for."""
        self._lines, self._operations, self._values = lines, operations, values
        self._errors: dict[str, type[BaseException]] = {}
        self.is_lost = False
        self.printed: Callable[[], str] = str
        self.show_printed: Callable[[str], object] = str

    def ask(self, operation: str, of: Any, *values: Any, **named: Any) -> Any:
        """Have the other side do something; return what it returns, or raise what it raises.

        Raises:
            LostError: where the other side does not reply as agreed; from then on always.
        """
        if self.is_lost:
            raise LostError("the other process does not talk any more")
        table, pack = Table(), self._values.pack
        message = {
            "ask": operation,
            "of": pack(of, table),
            "with": [pack(value, table) for value in values],
            "named": {name: pack(value, table) for name, value in named.items()},
        }
        try:
            self._lines.say({**message, "table": self._values.contents(table)})
            while "ask" in (reply := self._lines.hear()):
                self.answer(reply)
            returned, error = self._read(reply, table)
        except (LostError, OSError, RecursionError, *_MALFORMED) as trouble:
            self.is_lost = True
            raise LostError(f"what it says is no value ({trouble})") from trouble
        if isinstance(error, StopIteration) and operation != "next":
            error = RuntimeError("it raised StopIteration")  # else it ends a loop that calls it
        if error is not None:
            raise error
        return returned

    def answer(self, message: dict[str, Any]) -> None:
        """Do what the other side asks, and reply."""
        table, values = Table(), self._values
        reply: dict[str, Any]
        try:
            values.fill(message["table"], table)
            of = values.unpack(message["of"], table)
            parts = [values.unpack(part, table) for part in message["with"]]
            named = {str(n): values.unpack(part, table) for n, part in message["named"].items()}
            result = self._operations[message["ask"]](of, *parts, **named)
            reply = {"reply": values.pack(result, table)}
        except LostError:
            raise
        except BaseException as error:  # noqa: BLE001 - foreign code may raise anything
            reply = {"raised": self._packed_error(error, table)}
        self._lines.say({**reply, "table": values.contents(table), "printed": self.printed()})

    def _read(self, reply: dict[str, Any], table: Table) -> tuple[Any, BaseException | None]:
        values = self._values
        values.fill(reply["table"], table)
        self.show_printed(str(reply.get("printed", "")))
        if "raised" not in reply:
            return values.unpack(reply["reply"], table), None
        kind, parts, fields = reply["raised"]
        error_class = self.error_class(kind)
        error = (
            Exception()
            if issubclass(error_class, BaseExceptionGroup)
            else error_class.__new__(error_class)
        )
        error.args = tuple([values.unpack(part, table) for part in parts])
        for name, value in dict(fields).items():
            if not str(name).startswith("__"):
                setattr(error, str(name), values.unpack(value, table))
        return None, error

    def _packed_error(self, error: BaseException, table: Table) -> list[Any]:
        try:
            parts = [self._values.pack(part, table) for part in error.args]
            fields = {name: self._values.pack(v, table) for name, v in vars(error).items()}
        except BaseException:  # noqa: BLE001 - an error of foreign code's own may do this
            parts, fields = [], {}
        return [error_kind(type(error)), parts, fields]

    def error_class(self, kind: Any) -> type[BaseException]:
        """Return a class of errors that stands for one of the other side, always the same for the same."""
        if isinstance(kind, str):
            return _checked(getattr(builtins, kind))
        key = json.dumps(kind)
        if key not in self._errors:
            name, bases = kind
            module, _, last = str(name).rpartition(".")
            if module in sys.stdlib_module_names and hasattr(sys.modules.get(module), last):
                return _checked(getattr(sys.modules[module], last))
            made = [self.error_class(base) for base in bases]
            body = {"__init__": BaseException.__init__, "__str__": BaseException.__str__}
            try:
                self._errors[key] = type(str(name), tuple(made), body)
            except TypeError:  # bases that do not fit together here
                self._errors[key] = type(str(name), (made[0],), body)
        return self._errors[key]


def _checked(error_class: Any) -> type[BaseException]:
    if not (isinstance(error_class, type) and issubclass(error_class, BaseException)):
        raise ValueError("that is no error")
    return error_class


def error_text(error: BaseException) -> str:
    """Return an error's class and text, in one line."""
    try:
        text = " ".join(str(error).split())
    except BaseException:  # noqa: BLE001 - an answer's own exception class can do this
        text = ""
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def error_kind(error: type[BaseException]) -> Any:
    """Say what an error class is: the name of a built-in one, else its own with its bases."""
    if getattr(builtins, error.__name__, None) is error:
        return error.__name__
    bases = [base for base in error.__bases__ if issubclass(base, BaseException)]
    return [
        f"{error.__module__}.{error.__qualname__}".removeprefix("answer."),
        [*map(error_kind, bases)],
    ]
