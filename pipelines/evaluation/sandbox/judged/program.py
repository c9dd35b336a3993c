"""The side that runs an answer's program. Nothing that it says is believed: it computes, others compare."""

import contextlib
import io
import operator
import os
import pickle
import sys
import types
from base64 import b64decode
from collections.abc import Callable
from typing import Any

from quantgate.pipelines.evaluation.sandbox.judged.peer import Lines, Peer, error_kind, error_text
from quantgate.pipelines.evaluation.sandbox.judged.values import Values

_MOST_PRINTED = 1 << 20
_BINARY = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor"),
    *("lshift", "rshift", "eq", "lt", "le", "gt", "ge"),
)


class Lent:
    """Something of the tests' own that a program was given: to be called, or for what it has."""

    def __init__(self, number: int, peer: Callable[[], Peer]) -> None:
        """Know it by its number."""
        object.__setattr__(self, "_lent", (number, peer))

    def __call__(self, *values: Any, **named: Any) -> Any:  # noqa: D102 - it is a call
        return _ask("call", self, *values, **named)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _ask("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        _ask("setattr", self, name, value)

    def __iter__(self) -> Any:
        return _ask("iter", self)

    def __next__(self) -> Any:
        return _ask("next", self)

    def __len__(self) -> int:
        return int(_ask("len", self))

    def __getitem__(self, key: Any) -> Any:
        return _ask("getitem", self, key)

    def __eq__(self, other: object) -> bool:
        return bool(_ask("eq", self, other))

    def __lt__(self, other: Any) -> bool:
        return bool(_ask("lt", self, other))

    def __hash__(self) -> int:
        return hash(object.__getattribute__(self, "_lent")[0])

    def __str__(self) -> str:
        return str(_ask("str", self))

    def __bool__(self) -> bool:
        return bool(_ask("bool", self))


def _ask(operation: str, lent: Lent, *values: Any, **named: Any) -> Any:
    peer: Peer = object.__getattribute__(lent, "_lent")[1]()
    return peer.ask(operation, lent, *values, **named)


def begin(lines: Lines, order: dict[str, Any]) -> None:
    """Run the first program that compiles, say what became of it, and then do what tests ask."""
    module = types.ModuleType("answer")
    sys.modules["answer"] = module
    try:
        exec(_first_that_compiles(order["programs"]), module.__dict__)
    except BaseException as error:  # noqa: BLE001 - a program may raise anything, SystemExit too
        lines.say({"state": "failed", "what": f"the program: {error_text(error)}"})
        os._exit(0)
    held = _HeldObjects(lambda: peer)
    peer = Peer(lines, _operations(module), Values(held.hold, held.read))
    sys.stdout = printed = io.StringIO()
    peer.printed = lambda: _taken(printed)
    lines.say({"state": "loaded", "names": [name for name in module.__dict__ if name[:2] != "__"]})
    while True:
        peer.answer(lines.hear())


class _HeldObjects:
    """What tests know by number; it is held for good, since a number has to mean the same for ever."""

    def __init__(self, peer: Callable[[], Peer]) -> None:
        self._peer = peer
        self._held: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._lent: dict[int, Lent] = {}

    def hold(self, value: Any) -> Any:
        if isinstance(value, types.ModuleType) and value.__name__ in sys.stdlib_module_names:
            return {"module": value.__name__}
        if isinstance(value, Lent):
            return {"lent": object.__getattribute__(value, "_lent")[0]}
        if isinstance(value, type) and issubclass(value, BaseException):
            return {"error": [self._number(value), error_kind(value)]}
        return {
            "held": [
                self._number(value),
                "coroutine" if isinstance(value, types.CoroutineType) else "",
            ]
        }

    def read(self, value: Any) -> Any:
        ((tag, content),) = value.items()
        if tag == "held":
            return self._held[content]
        if tag == "pickled":  # by the tests, which are the suite's
            return pickle.loads(b64decode(content))
        return self._lent.setdefault(content, Lent(content, self._peer))

    def _number(self, value: Any) -> int:
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._held)
            self._held.append(value)
        return self._numbers[id(value)]


def _operations(module: types.ModuleType) -> dict[str, Callable[..., Any]]:
    def look_up(name: str) -> Any:
        return module.__dict__[name]

    simple: tuple[Callable[..., Any], ...] = (
        *(
            getattr,
            setattr,
            delattr,
            iter,
            next,
            len,
            str,
            repr,
            bool,
            hash,
            int,
            float,
            complex,
            abs,
        ),
        *(round, format, isinstance, reversed, dir),
    )
    return {
        "name": look_up,
        "call": lambda of, *values, **named: of(*values, **named),
        "await": _run,
        "enter": lambda of: type(of).__enter__(of),
        "exit": lambda of, *values: type(of).__exit__(of, *values),
        **{function.__name__: function for function in simple},
        **{name: getattr(operator, name) for name in _BINARY},
        **{name: getattr(operator, name) for name in ("neg", "pos", "invert", "index")},
        **{name: getattr(operator, name) for name in ("getitem", "setitem", "delitem")},
    }


def _run(coroutine: Any) -> Any:
    import asyncio  # which takes as long to import as all the rest

    async def awaited() -> Any:
        return await coroutine

    return asyncio.run(awaited())


def _first_that_compiles(programs: list[str]) -> types.CodeType:
    for program in programs[:-1]:
        with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            return compile(program, "<answer>", "exec")
    return compile(programs[-1], "<answer>", "exec")


def _taken(printed: io.StringIO) -> str:
    """What was printed since the last reply."""
    text = printed.getvalue()[:_MOST_PRINTED]
    printed.seek(0)
    printed.truncate()
    return text
