"""Files as nobody wrote them: a sound one changed at random, by its structure and by its bytes.

Everything is drawn from one seed, so that a file that was mishandled can be made again.
"""

import copy
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

NASTY: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    -(2**63),
    10**12,
    10**400,
    0.5,
    -0.0,
    1e308,
    float("nan"),
    float("inf"),
    "",
    " ",
    "\0",
    "\ud800",
    "\ud83d\ude00",
    "..",
    "../..",
    "/",
    "/dev/zero",
    "a/b",
    "a" * 300,
    "null",
    "true",
    "1e999",
    "2026-13-45",
    "{{ x",
    "{% for %}",
    "%s",
    "${HOME}",
    "(a+)+$",
    "[",
    "\\",
    "\u202e",
    "x" * 100_000,
    [],
    {},
    [[]],
    [None],
    [1, "a"],
    {"": None},
    {"a": {"b": []}},
    {"__proto__": 1},
)
"""Values in places where they do not belong."""

RAW_JSON = (
    '{"a": 1, "a": 2}',
    "[" * 5_000,
    '{"a":' * 5_000,
    "NaN",
    "-Infinity",
    "1e999",
    "1" * 5_000,
    "'a'",
    "{a: 1}",
    '"\\ud800"',
    '"\\u0000"',
    "01",
    "+1",
    "[1,]",
    "// no",
    "",
    "\ufeff{}",
)
"""Texts in places of JSON values."""

RAW_YAML = (
    "2026-13-45",
    "!secret x",
    "!!python/object/apply:os.system [ls]",
    "*nowhere",
    "&a [*a]",
    "!!set {x}",
    ".nan",
    "? [a]\n: b",
    "{a: 1, a: 2}",
    "[" * 2_000,
    "- " * 500,
    "|\n  x",
    "!!binary x",
    "0x",
    "1_0",
    "12:30:99",
    "<<",
    '"\\0"',
    '"\\ud800"',
    "\t",
    "%TAG",
    "---",
    "...",
    "@",
    "`",
    "!!float ''",
    "9" * 5_000,
)
"""Texts in places of YAML values."""

_ODD_BYTES = (b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\x80", b"\r", b"\n", b'"')


def mutated_json(document: Any, draw: random.Random) -> str:
    """Return JSON text of a document with one to three of its values replaced, dropped or doubled."""
    changed = copy.deepcopy(document)
    for _ in range(draw.randint(1, 3)):
        changed = _mutated(changed, draw)
    text = json.dumps(changed)
    if draw.random() < 0.3:
        text = text.replace(draw.choice(_scalars(text)), draw.choice(RAW_JSON), 1)
    return text


def mutated_yaml(text: str, draw: random.Random) -> str:
    """Return YAML text with one to three of its lines changed."""
    lines = text.splitlines()
    for _ in range(draw.randint(1, 3)):
        number = draw.randrange(len(lines))
        key, colon, _ = lines[number].partition(": ")
        raw = draw.choice([*RAW_YAML, *(json.dumps(v) for v in draw.sample(NASTY, 5))])
        change = draw.randrange(5)
        if change == 0:
            lines[number] = f"{key}: {raw}" if colon else raw
        elif change == 1:
            lines.insert(number, lines[number])
        elif change == 2:
            lines[number] = " " * draw.randrange(4) + lines[number]
        elif change == 3 and len(lines) > 1:
            del lines[number]
        else:
            lines.append(f"{draw.choice(('x', 'name', key, '? a'))}: {raw}")
    return "\n".join(lines) + "\n"


def mutated_bytes(content: bytes, draw: random.Random) -> bytes:
    """Return bytes with a few of them flipped, a part cut, doubled or put in."""
    changed = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(changed) + 1)
        kind = draw.randrange(7)
        if kind == 0 and changed:
            changed[place % len(changed)] ^= 1 << draw.randrange(8)
        elif kind == 1:
            del changed[place:]
        elif kind == 2:
            changed[place:place] = draw.choice(
                (b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\x80", b"\r", b"\n", b'"')
            )
        elif kind == 3:
            changed[place:place] = changed[max(0, place - 40) : place]
        elif kind == 4:
            changed[place : place + 8] = draw.choice((b"\xff" * 8, b"\0" * 8, b"\0" * 7 + b"\x10"))
        elif kind == 5:
            changed[place : place + draw.randrange(64)] = b""
        else:
            changed[place : place + 1] = bytes([draw.randrange(256)])
    return bytes(changed)


def any_text(text: str, draw: random.Random, by_structure: Callable[[random.Random], str]) -> bytes:
    """Return a changed file: mostly by its structure, at times by bytes or in another encoding."""
    kind = draw.randrange(10)
    if kind < 6:
        return by_structure(draw).encode("utf-8", "surrogatepass")
    if kind == 6:
        return text.encode(draw.choice(("utf-16", "utf-32", "utf-16-be", "latin-1")), "replace")
    if kind == 7:
        return draw.choice(
            (b"", b"\n", b"\0" * 64, b"\xef\xbb\xbf", b"{}", b"[]", b"null", b'"', b"-" * 9)
        )
    return mutated_bytes(text.encode(), draw)


def _scalars(text: str) -> Sequence[str]:
    return [part for part in ('"a"', "null", "1", "true", '""', "{}", "[]") if part in text] or [
        text
    ]


def _mutated(document: Any, draw: random.Random) -> Any:
    places = list(_places(document))
    if not places:
        return draw.choice(NASTY)
    parent, key = draw.choice(places)
    change = draw.randrange(6)
    if change == 0:
        del parent[key]
    elif change == 1 and isinstance(parent, dict):
        parent[f"{key}x"] = parent[key]
    elif change == 2 and isinstance(parent, list):
        parent.insert(key, parent[key])
    elif change == 3:
        parent[key] = _deep(draw.choice((3, 90, 200)), draw)
    else:
        parent[key] = copy.deepcopy(draw.choice(NASTY))
    return document


def _deep(levels: int, draw: random.Random) -> Any:
    value: Any = draw.choice(NASTY)
    for _ in range(levels):
        value = [value] if draw.random() < 0.5 else {"a": value}
    return value


def _places(document: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting = [document]
    while waiting:
        parent = waiting.pop()
        keys = (
            list(parent)
            if isinstance(parent, dict)
            else range(len(parent))
            if isinstance(parent, list)
            else ()
        )
        for key in keys:
            found.append((parent, key))
            waiting.append(parent[key])
    return found


def _keys(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value)
    return list(range(len(value))) if isinstance(value, list) else []
