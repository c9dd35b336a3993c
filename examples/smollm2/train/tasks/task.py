"""What a family draws, and the files of lines that it draws from."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from support_desk.texts import Names, Population, fill, population_of

Json: TypeAlias = str | int | float | bool | list["Json"] | dict[str, "Json"] | None
Lines: TypeAlias = Mapping[str, Sequence[str]]

AGES = (18, 89)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One question of a family.

    `answer` is what training teaches; `expected` and `grader` are what the suite holds answers against.
    """

    slice: str
    prompt: str
    answer: str
    expected: Json
    grader: Json


def load_lines(name: str) -> Any:
    """Read one of the YAML files beside this module."""
    return yaml.safe_load(Path(__file__).with_name(f"{name}.yaml").read_text(encoding="utf-8"))


def lines_for(lines: Lines, population: Population) -> Sequence[str]:
    """Return the lines that a population may use: those of the suite are never trained on."""
    return lines["held_out" if population is Population.HELD_OUT else "train"]


def words_for(names: Names, words: Sequence[str], count: int) -> list[str]:
    """Draw so many different words whose combination, in this order, belongs to one population."""
    while True:
        drawn = names.rng.sample(words, count)
        if population_of(" ".join(drawn)) is names.population:
            return drawn


def filled(line: str, values: Mapping[str, object]) -> str:
    """Put values into the slots of a line."""
    return fill(line, {slot: str(value) for slot, value in values.items()})


def chosen(rng: random.Random, lines: Sequence[str], values: Mapping[str, object]) -> str:
    """Choose a line and put values into its slots."""
    return filled(rng.choice(lines), values)
