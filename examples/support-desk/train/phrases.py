"""The phrase book: what customers write, by language and intent, as reviewed YAML lines."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import yaml
from names import Population

BOOKS = Path(__file__).parent / "phrasebook"
_CHOICE = re.compile(r"\(([^()]*)\)")
_ANY_ORDER = re.compile(r"\[\[(.*?)\]\]")
_SLOT = re.compile(r"\{([a-z_]+)\}")

# A word of a closed table is a string, or a boolean for yes/no arguments.
Word: TypeAlias = str | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Template lines; those for the suite are never trained on."""

    train: list[str]
    held_out: list[str]

    def of(self, population: Population) -> list[str]:
        """The lines that a population may use."""
        return self.held_out if population is Population.HELD_OUT else self.train


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseBook:
    """Everything one language can say."""

    openings: list[str]
    closings: list[str]
    words: dict[str, dict[Word, list[str]]]
    intents: dict[str, Lines]
    refusals: dict[str, Lines]
    near_misses: Lines
    injections: Lines
    filler: Lines
    tails: dict[str, list[str]] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """Everything in the book that training may see."""
        groups = [*self.intents.values(), *self.refusals.values()]
        for group in (*groups, self.near_misses, self.injections, self.filler):
            yield from group.train
        for texts in (self.openings, self.closings, *self.tails.values()):
            yield from texts
        for table in self.words.values():
            for word, texts in table.items():
                yield from (str(word), *texts)


def load_books(folder: Path = BOOKS) -> dict[str, PhraseBook]:
    """Read one phrase book a language, keyed by the language's code."""
    return {path.stem: _load_book(path) for path in sorted(folder.glob("*.yaml"))}


def expand(line: str, rng: random.Random) -> str:
    """Pick one branch of every `(a|b)` in a template line and one order of every `[[a; b; c]]`."""
    line = _CHOICE.sub(lambda match: rng.choice(match[1].split("|")), line)
    return _ANY_ORDER.sub(lambda match: _in_any_order(match[1].split("; "), rng), line)


def slots_of(line: str) -> list[str]:
    """The names of the `{slots}` of a line, in order of appearance."""
    return _SLOT.findall(line)


def fill(line: str, texts: Mapping[str, str]) -> str:
    """Put texts into the `{slots}` of a line; braces of pasted JSON are left alone."""
    return _SLOT.sub(lambda match: texts[match[1]], line)


def _in_any_order(parts: list[str], rng: random.Random) -> str:
    return rng.choice((" ", ", ")).join(rng.sample(parts, len(parts)))


def _load_book(path: Path) -> PhraseBook:
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key in ("intents", "refusals"):
        raw[key] = {name: Lines(**lines) for name, lines in raw.get(key, {}).items()}
    for key in ("near_misses", "injections", "filler"):
        raw[key] = Lines(**raw[key]) if key in raw else Lines(train=[], held_out=[])
    return PhraseBook(**raw)
