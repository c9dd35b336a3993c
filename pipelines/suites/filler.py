"""Distractor text for stretched items: built-in sentences in many languages, or a file of the user's own."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.json_text import JsonTextError, parse_json
from quantgate.pipelines.files.reading import numbered_lines
from quantgate.pipelines.specs.chat_messages import BrokenRowError, ForeignContentError, messages_of

_SENTENCES = Path(__file__).with_name("filler.yaml")
_FALL_BACK = "en"
_PARTS = ("who", "did", "where", "when")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filler:
    """Pieces of text without end, to be put side by side with `join` between them."""

    pieces: Iterator[str]
    join: str


class BuiltInFiller:
    """Sentences put together from parts, in the language asked for (English where there are none)."""

    def of(self, language: str, seed: str) -> Filler:
        """Return an endless sequence that `seed` determines."""
        tables = _tables()
        table = tables.get(language) or tables[_FALL_BACK]
        return Filler(pieces=_composed(table, random.Random(seed)), join=str(table["join"]))


class FileFiller:
    """Paragraphs of a text file, or texts and user messages of JSON lines, in an order drawn by seed."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            InputError: where it cannot be read, or holds no text.
        """
        self._pieces = _json_texts(path) if path.suffix == ".jsonl" else _paragraphs(path)
        if not self._pieces:
            raise InputError(
                "holds no text to stretch items with",
                where=str(path),
                next_step="name a file with text in it",
            )

    def of(self, language: str, seed: str) -> Filler:
        """Return an endless sequence that `seed` determines; the text decides the language."""
        del language
        return Filler(pieces=_shuffled(self._pieces, random.Random(seed)), join="\n")


AnyFiller = BuiltInFiller | FileFiller


def _composed(table: dict[str, str | list[str]], drawn: random.Random) -> Iterator[str]:
    pattern = str(table["pattern"])
    while True:
        parts = {name: drawn.choice(table[name]) for name in _PARTS}
        yield pattern.format(**parts)


def _shuffled(pieces: tuple[str, ...], drawn: random.Random) -> Iterator[str]:
    while True:
        yield from drawn.sample(pieces, len(pieces))


@cache
def _tables() -> dict[str, dict[str, str | list[str]]]:
    tables: dict[str, dict[str, str | list[str]]] = yaml.load(
        _SENTENCES.read_bytes(), Loader=yaml.CSafeLoader
    )
    return tables


def _paragraphs(path: Path) -> tuple[str, ...]:
    return tuple(line.strip() for _, line in numbered_lines(path))


def _json_texts(path: Path) -> tuple[str, ...]:
    """`text` of every row, or what its users wrote."""
    texts: list[str] = []
    for number, line in numbered_lines(path):
        try:
            row = parse_json(line)
            columns = row if isinstance(row, dict) else {}
            messages = messages_of(columns.get("messages") or [])
        except (JsonTextError, BrokenRowError, ForeignContentError) as error:
            raise InputError(
                f"line {number}: {error}", where=str(path), next_step="mend this line"
            ) from error
        users = [message["content"] for message in messages if message["role"] == "user"]
        texts += [text for text in (columns.get("text"), *users) if isinstance(text, str)]
    return tuple(text.strip() for text in texts if text.strip())
