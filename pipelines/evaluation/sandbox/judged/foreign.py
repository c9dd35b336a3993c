"""What stands for an object of the answer's program where the tests run: all that is done to it is passed on.

That program must never learn what tests expect, so an object of the answer's own equals no plain value,
cannot be ordered or computed with one, and what it contains is compared here.
"""

import operator
from collections.abc import Callable, Generator, Iterator
from typing import Any


class Foreign:
    """Something that stays where the answer's program runs."""

    __slots__ = ("_ask", "_number")

    def __init__(self, number: int, ask: Callable[..., Any]) -> None:
        """Know it by its number there."""
        object.__setattr__(self, "_number", number)
        object.__setattr__(self, "_ask", ask)

    def __getattr__(self, name: str) -> Any:
        return _asked(self, "getattr", name)

    def __setattr__(self, name: str, value: Any) -> None:
        _asked(self, "setattr", name, value)

    def __delattr__(self, name: str) -> None:
        _asked(self, "delattr", name)

    def __call__(self, *values: Any, **named: Any) -> Any:  # noqa: D102 - it is a call
        return _asked(self, "call", *values, **named)

    def __eq__(self, other: object) -> bool:
        return self is other or (is_foreign(other) and _truth(_asked(self, "eq", other)))

    def __contains__(self, value: Any) -> bool:
        return any(element is value or element == value for element in self)

    def __iter__(self) -> Iterator[Any]:
        iterator: Iterator[Any] = _asked(self, "iter")
        return iterator if is_foreign(iterator) else iter(iterator)

    def __bool__(self) -> bool:
        return _truth(_asked(self, "bool"))

    def __len__(self) -> int:
        return operator.index(_asked(self, "len"))

    def __hash__(self) -> int:
        return operator.index(_asked(self, "hash"))

    def __index__(self) -> int:
        return operator.index(_asked(self, "index"))

    def __str__(self) -> str:
        return _text(_asked(self, "str"))

    def __repr__(self) -> str:
        return _text(_asked(self, "repr"))

    def __format__(self, form: str) -> str:
        return _text(_asked(self, "format", form))

    def __exit__(self, *error: Any) -> bool:
        handled = _truth(bool(_asked(self, "exit", None, None, None)))
        return handled and error[0] is None  # an error of the tests is theirs

    def __instancecheck__(self, value: Any) -> bool:
        return is_foreign(value) and _truth(_asked(value, "isinstance", self))

    def __await__(self) -> Generator[None, None, Any]:
        return _asked(self, "await")
        yield

    def __reduce_ex__(self, _protocol: Any) -> Any:
        raise TypeError("it stays where it is")


def _alone(operation: str) -> Callable[..., Any]:
    def method(self: Foreign, *values: Any) -> Any:
        return _asked(self, operation, *values)

    return method


def _between(operation: str) -> Callable[[Foreign, Any], Any]:
    def method(self: Foreign, other: Any) -> Any:
        if not is_foreign(other):
            raise TypeError(
                "an object of the answer's own class meets no plain value: compare what it has"
            )
        return _asked(self, operation, other)

    return method


for _name in ("next", "getitem", "setitem", "delitem", "int", "float", "complex", "abs", "round"):
    setattr(Foreign, f"__{_name}__", _alone(_name))
for _name in ("neg", "pos", "invert", "reversed", "enter", "dir"):
    setattr(Foreign, f"__{_name}__", _alone(_name))
for _name in (
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "and_",
    "or_",
    "xor",
):
    setattr(Foreign, f"__{_name.strip('_')}__", _between(_name))
for _name in ("lshift", "rshift", "lt", "le", "gt", "ge"):
    setattr(Foreign, f"__{_name}__", _between(_name))


def _asked(foreign: Foreign, operation: str, *values: Any, **named: Any) -> Any:
    return object.__getattribute__(foreign, "_ask")(operation, foreign, *values, **named)


def is_foreign(value: object) -> bool:
    """Whether a value stands for one of the other process; its class alone is asked: it may say anything."""
    return type(value) is Foreign


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("that is neither true nor false")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("that is no text")
    return value
