"""The side that runs a suite's tests and comes to the verdict. No foreign code ever runs in this process.

Tests read the answer's names as if they stood in one module with it. What such a name stands for is plain
data, which was copied, or a `Foreign` object, which passes on what is done to it to the process that runs the
answer. That process must never learn what tests expect, so an object of the answer's own equals no plain
value, cannot be ordered or computed with one, and what it contains is compared here.
"""

import builtins
import contextlib
import importlib
import io
import pickle
import re
import sys
import types
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

from quantgate.pipelines.evaluation.sandbox.judged.foreign import Foreign, is_foreign
from quantgate.pipelines.evaluation.sandbox.judged.peer import Lines, LostError, Peer, error_text
from quantgate.pipelines.evaluation.sandbox.judged.values import Values

_MODULE = "tests"


def begin(lines: Lines, _order: dict[str, Any]) -> None:
    """Hear the tests, run them and say whether they passed.

    What is heard has the `tests`, the answer's `names`, the `entry_point` and the `prelude`: what the suite
    itself defines above the entry point, whose functions and constants are the suite's own here, too.
    """
    question = lines.hear()
    environment = _Environment(lines, question)
    try:
        environment.define(question["prelude"], question["entry_point"])
        exec(compile(question["tests"], "<tests>", "exec"), environment.namespace)
    except LostError as error:
        lines.say({"state": "failed", "what": f"the program did not answer: {error}"[:300]})
    except BaseException as error:  # noqa: BLE001 - tests may raise anything
        lines.say({"state": "failed", "what": f"the tests: {error_text(error)}"})
    else:
        lost = environment.peer.is_lost  # a test may have caught the error
        what = {"state": "failed", "what": "the program did not answer"}
        lines.say(what if lost else {"state": "passed"})


class _Environment:
    """What tests see: their own names, the suite's, the entry point, built-in ones, the answer's others."""

    def __init__(self, lines: Lines, question: dict[str, Any]) -> None:
        self._names = frozenset(map(str, question["names"]))
        self._tests: str = question["tests"]
        self._lent: list[Any] = []
        self._foreign: dict[int, Any] = {}
        self._errors: dict[type, int] = {}
        values = Values(self._hold, self._read)
        self.peer = Peer(lines, self._operations(), values)
        self.peer.show_printed = lambda text: sys.stdout.write(text)
        self.namespace: dict[str, Any] = _Namespace(self._look_up)
        self.namespace.update({"__name__": _MODULE, "__builtins__": builtins})
        answer = types.ModuleType("answer")
        answer.__all__ = sorted(self._names)  # type: ignore[attr-defined]
        answer.__getattr__ = self._look_up_attribute  # type: ignore[method-assign]
        sys.modules["answer"] = answer

    def define(self, prelude: str, entry_point: str) -> None:
        """Run what the suite defines; its classes are the answer's, whose objects are instances of them."""
        try:
            exec(compile(prelude, "<prompt>", "exec"), self.namespace)
        except (SyntaxError, ValueError):
            return
        finally:
            if entry_point in self._names:
                self.namespace[entry_point] = self.peer.ask("name", entry_point)
        for name, value in list(self.namespace.items()):
            if isinstance(value, type) and value.__module__ == _MODULE and name in self._names:
                del self.namespace[name]

    def _look_up(self, name: str) -> Any:
        """What the answer calls so; what is built in or in the library means what it means elsewhere."""
        if hasattr(builtins, name):
            raise KeyError(name)
        if name in sys.stdlib_module_names and re.search(rf"\b{re.escape(name)}\s*\.", self._tests):
            return importlib.import_module(name)
        return self.peer.ask("name", name)

    def _look_up_attribute(self, name: str) -> Any:
        try:
            return self.peer.ask("name", name)
        except KeyError:
            raise AttributeError(name) from None

    def _hold(self, value: Any) -> Any:
        if is_foreign(value):
            return {"held": object.__getattribute__(value, "_number")}
        if isinstance(value, type) and value in self._errors:
            return {"held": self._errors[value]}
        if not _is_tests_own(value):
            with contextlib.suppress(Exception):  # what cannot be copied is lent
                return {"pickled": b64encode(pickle.dumps(value)).decode()}
        self._lent.append(value)
        return {"lent": len(self._lent) - 1}

    def _read(self, value: Any) -> Any:
        """What the other process says: a number of its own, one of ours, or a module of the library's."""
        ((tag, content),) = value.items()
        if tag == "module":
            if content not in sys.stdlib_module_names:
                raise ValueError("no module of the library")
            return importlib.import_module(content)
        if tag == "lent":
            return self._lent[content]
        if tag == "error":
            error_class = self.peer.error_class(content[1])
            self._errors[error_class] = int(content[0])
            return error_class
        number, kind = content
        if kind == "coroutine":
            return _coroutine(self.peer, self._made(int(number)))
        return self._made(int(number))

    def _made(self, number: int) -> Any:
        return self._foreign.setdefault(number, Foreign(number, self.peer.ask))

    def _operations(self) -> dict[str, Callable[..., Any]]:
        """What a program may do with what it was lent: never reach what stands behind it."""
        return {
            "call": lambda of, *values, **named: _callable(of)(*values, **named),
            "getattr": lambda of, name: getattr(_tests_own(of), _public(name)),
            "setattr": lambda of, name, value: setattr(_tests_own(of), _public(name), value),
            "eq": lambda of, other: bool(_tests_own(of) == other),
            "lt": lambda of, other: bool(_tests_own(of) < other),
            "iter": lambda of: iter(_iterable(of)),
            "next": lambda of: next(_iterable(of)),
            "getitem": lambda of, key: _tests_own(of)[key],
            "len": lambda of: len(_tests_own(of)),
            "str": lambda of: str(_tests_own(of)),
            "bool": lambda of: bool(of),
        }


class _Namespace(dict[str, Any]):
    """A module's names; those it lacks are looked up."""

    def __init__(self, look_up: Callable[[str], Any]) -> None:
        super().__init__()
        self._look_up = look_up

    def __missing__(self, name: str) -> Any:
        return self._look_up(name)


def _coroutine(peer: Peer, foreign: Foreign) -> Any:
    async def awaited() -> Any:
        return peer.ask("await", foreign)

    return awaited()


def _is_tests_own(value: object) -> bool:
    """An object of a class, or a function, that the tests themselves define."""
    return getattr(value, "__module__", None) == _MODULE or type(value).__module__ == _MODULE


def _tests_own(value: Any) -> Any:
    if type(value).__module__ != _MODULE:
        raise TypeError("that is not lent")
    return value


def _iterable(value: Any) -> Any:
    if type(value).__module__ == _MODULE or isinstance(value, Iterator | io.IOBase):
        return value
    raise TypeError("that is not lent")


def _callable(value: Any) -> Any:
    if not callable(value) or isinstance(value, types.ModuleType):
        raise TypeError("that cannot be called")
    return value


def _public(name: Any) -> str:
    if not isinstance(name, str) or name.startswith("_"):
        raise AttributeError(str(name))
    return name
