"""Values that two processes pass each other as JSON, one of which runs foreign code.

What is plain is copied. Lists, dictionaries, sets and the like stand in a table, and a value that is one of
them is its number there, so that two names for one list stay two names and no nesting is too deep. What is
not plain stays where it is: `hold` gives it a number, `remote` makes something of the other side's numbers.

Nothing that arrives is ever unpickled or evaluated, and no name is looked up but in the tables below.
"""

import collections
import datetime
import decimal
import fractions
import sys
from collections.abc import Callable, Sequence
from typing import Any

_LARGE = 1 << 62
_MOST_FIELDS = 100
_DATES: dict[str, Any] = {
    "datetime": datetime.datetime,
    "date": datetime.date,
    "time": datetime.time,
}
_DICTIONARIES = {"OrderedDict": collections.OrderedDict, "Counter": collections.Counter}
_NUMPY_KINDS = frozenset("biufcSUmM")
_OTHERS = {"...": ..., "NotImplemented": NotImplemented}


class Table:
    """Containers of a question and its reply, in the order in which both sides number them."""

    def __init__(self) -> None:
        """Begin with none."""
        self.live: list[Any] = []
        self._numbers: dict[int, int] = {}

    def number(self, container: object) -> int:
        """Return a container's number; a new one gets the next."""
        if id(container) not in self._numbers:
            self._numbers[id(container)] = len(self.live)
            self.live.append(container)
        return self._numbers[id(container)]


class Values:
    """Turns values into JSON and back."""

    def __init__(self, hold: Callable[[Any], Any], remote: Callable[[Any], Any]) -> None:
        """`hold` says what is passed for a value that is not plain, `remote` reads that."""
        self._hold, self._remote = hold, remote

    def pack(self, value: Any, table: Table) -> Any:
        """Return a value as JSON; containers are added to the table."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, int):
            number = int.__int__(value)
            return number if -_LARGE < number < _LARGE else {"int": hex(number)}
        if isinstance(value, float) and not _of_numpy(value):
            return float.__float__(value)
        if isinstance(value, tuple):
            return self._packed_tuple(value, table)
        if isinstance(value, list | dict | set | bytearray | collections.deque):
            return {"at": table.number(value)}
        return self._packed_rarely(value, table)

    def contents(self, table: Table) -> list[Any]:
        """Return what stands in every container of a table, as JSON; containers in them are added."""
        packed, at = [], 0
        while at < len(table.live):
            packed.append(self._packed_container(table.live[at], table))
            at += 1
        return packed

    def fill(self, contents: Sequence[Any], table: Table) -> None:
        """Make the containers of a table be what they are on the other side; the first ones are ours."""
        for kind, *_ in contents[len(table.live) :]:
            table.number(_empty(kind))
        for container, content in zip(table.live, contents, strict=True):
            self._fill_container(container, content, table)

    def unpack(self, value: Any, table: Table) -> Any:
        """Return what JSON stands for.

        Raises:
            KeyError, TypeError, ValueError, IndexError, ArithmeticError: where it is no value.
        """
        if not isinstance(value, dict):
            if isinstance(value, list):
                raise TypeError("a list stands in the table")
            return value
        ((tag, content),) = value.items()
        if tag == "at":
            return table.live[content]
        if tag == "tuple":
            return tuple([self.unpack(part, table) for part in content])
        if tag == "named tuple":
            return _named_tuple(content[0], content[1])(
                *[self.unpack(v, table) for v in content[2]]
            )
        if tag == "frozenset":
            return frozenset([self.unpack(part, table) for part in content])
        if tag == "slice":
            return slice(*[self.unpack(part, table) for part in content])
        return _PLAIN[tag](content) if tag in _PLAIN else self._remote(value)

    def _packed_tuple(self, value: tuple[Any, ...], table: Table) -> Any:
        parts = [self.pack(part, table) for part in tuple.__iter__(value)]
        fields = getattr(type(value), "_fields", None)
        if isinstance(fields, tuple) and len(fields) == len(parts):
            return {"named tuple": [type(value).__name__, [str(field) for field in fields], parts]}
        return {"tuple": parts}

    def _packed_rarely(self, value: Any, table: Table) -> Any:
        if packed := _packed_numpy(value):
            return packed
        if isinstance(value, bytes):
            return {"bytes": bytes.hex(value)}
        if isinstance(value, complex):
            return {"complex": [value.real, value.imag]}
        if isinstance(value, frozenset):
            return {"frozenset": [self.pack(part, table) for part in value]}
        if isinstance(value, range):
            return {"range": [hex(value.start), hex(value.stop), hex(value.step)]}
        if isinstance(value, slice):
            return {
                "slice": [self.pack(part, table) for part in (value.start, value.stop, value.step)]
            }
        if isinstance(value, decimal.Decimal):
            return {"Decimal": str(value)}
        if isinstance(value, fractions.Fraction):
            return {"Fraction": [hex(value.numerator), hex(value.denominator)]}
        if isinstance(value, datetime.timedelta):
            return {"timedelta": [value.days, value.seconds, value.microseconds]}
        for name, kind in _DATES.items():
            if type(value) is kind:
                return {"date": [name, value.isoformat()]}
        for name, other in _OTHERS.items():
            if value is other:
                return {"other": name}
        return self._hold(value)

    def _packed_container(self, value: Any, table: Table) -> list[Any]:
        if isinstance(value, bytearray):
            return ["bytearray", bytes(value).hex()]
        if isinstance(value, dict):
            pairs = [[self.pack(k, table), self.pack(v, table)] for k, v in dict.items(value)]
            names = [name for name, kind in _DICTIONARIES.items() if isinstance(value, kind)]
            return [names[0] if names else "dict", pairs]
        if isinstance(value, collections.deque):
            return ["deque", [self.pack(part, table) for part in value], value.maxlen]
        kind = set if isinstance(value, set) else list
        return [kind.__name__, [self.pack(part, table) for part in kind.__iter__(value)]]

    def _fill_container(self, container: Any, content: Sequence[Any], table: Table) -> None:
        kind, packed = content[0], content[1]
        if isinstance(container, bytearray):
            container[:] = bytes.fromhex(packed)
        elif isinstance(container, dict):
            pairs = [(self.unpack(k, table), self.unpack(v, table)) for k, v in packed]
            container.clear()
            dict.update(container, pairs)
        elif isinstance(container, list):
            container[:] = [self.unpack(part, table) for part in packed]
        elif isinstance(container, set | collections.deque):
            parts = [self.unpack(part, table) for part in packed]
            container.clear()
            (container.update if isinstance(container, set) else container.extend)(parts)
        else:
            raise TypeError(f"a container of another kind than {kind}")


def _empty(kind: str) -> Any:
    makers: dict[str, Callable[[], Any]] = {
        "list": list, "dict": dict, "set": set, "bytearray": bytearray,
        "deque": collections.deque, **_DICTIONARIES,
    }  # fmt: skip
    return makers[kind]()


def _named_tuple(name: str, fields: Sequence[str]) -> Any:
    """Made anew; an equal tuple is equal whatever its class is."""
    if not str(name).isidentifier() or len(fields) > _MOST_FIELDS:
        raise ValueError("no name of a tuple")
    return collections.namedtuple(str(name), [str(field) for field in fields], rename=True)


def _of_numpy(value: object) -> bool:
    return type(value).__module__ == "numpy"


def _packed_numpy(value: Any) -> Any:
    """An array or a number of numpy's, where that is loaded; arrays of objects are none."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.ndarray | numpy.generic):
        return None
    if value.dtype.kind not in _NUMPY_KINDS:
        return None
    kind = value.dtype.str
    whole = numpy.ascontiguousarray(value)
    return {
        "numpy": [kind, list(value.shape), whole.tobytes().hex(), isinstance(value, numpy.generic)]
    }


def _numpy(content: Sequence[Any]) -> Any:
    import numpy

    kind = numpy.dtype(str(content[0]))
    if kind.kind not in _NUMPY_KINDS:
        raise TypeError("an array of objects")
    values = numpy.frombuffer(bytes.fromhex(content[2]), dtype=kind)
    array = values.reshape([int(size) for size in content[1]]).copy()
    return array[()] if content[3] else array


_PLAIN: dict[str, Callable[[Any], Any]] = {
    "int": lambda digits: int(digits, 16),
    "bytes": bytes.fromhex,
    "complex": lambda parts: complex(*parts),
    "range": lambda limits: range(*(int(number, 16) for number in limits)),
    "Decimal": lambda digits: decimal.Decimal(str(digits)),
    "Fraction": lambda parts: fractions.Fraction(*(int(number, 16) for number in parts)),
    "timedelta": lambda parts: datetime.timedelta(parts[0], parts[1], parts[2]),
    "date": lambda parts: _DATES[parts[0]].fromisoformat(parts[1]),
    "other": lambda name: _OTHERS[name],
    "numpy": _numpy,
}
