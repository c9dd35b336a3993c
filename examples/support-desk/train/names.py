"""Open vocabulary: people, cities, ids and numbers that an answer must copy from a message.

Every drawn string belongs to exactly one population, decided by a hash of the string itself.
So no name or id of the suite can occur in training or in the traffic, whatever the seeds are.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import yaml


class Population(StrEnum):
    """Who may see a string: the training set, the traffic folder, or the held-out suite."""

    TRAIN = "train"
    TRAFFIC = "traffic"
    HELD_OUT = "held_out"


_POPULATION_OF_BUCKET = {0: Population.HELD_OUT, 1: Population.TRAFFIC}
_BUCKETS = 10

_POOLS: dict[str, list[str]] = yaml.safe_load(
    Path(__file__).with_name("names.yaml").read_text(encoding="utf-8")
)


@dataclass(frozen=True, slots=True)
class Names:
    """Draws strings of one population; `rare` asks for the forms seldom seen in training."""

    rng: random.Random
    population: Population
    rare: bool = False

    def person(self) -> str:
        """A given name; the rare form has two parts with a hyphen."""
        if self.rare:
            return self._unique(
                lambda: f"{self._rare_word()}-{self._pick('syllables').capitalize()}"
            )
        return self._unique(lambda: self._word().capitalize())

    def city(self) -> str:
        """An invented city: a closed list would be learnt by heart."""
        if self.rare:
            return self._unique(self._rare_word)
        return self._unique(self._city)

    def order_id(self) -> str:
        """Two capitals and five digits, `KT-48213`; the rare form is longer."""
        letters, digits = (3, 7) if self.rare else (2, 5)
        return self._unique(lambda: f"{self._capitals(letters)}-{self._digits(digits)}")

    def email(self) -> str:
        """An address like `k.tobran@mail.org`."""
        return self._unique(self._email)

    def phone(self) -> str:
        """A number like `0482-193057`."""
        return self._unique(lambda: f"0{self._digits(3)}-{self._digits(6)}")

    def number(self, length: int) -> str:
        """A number of `length` digits (two more in the rare form) without a leading zero."""
        wanted = length + 2 if self.rare else length
        return self._unique(lambda: str(self.rng.randint(1, 9)) + self._digits(wanted - 1))

    def amount(self) -> float:
        """Money whose last cent is not zero, so that its JSON text equals what was written."""
        text = self._unique(lambda: f"{self.rng.randint(10, 999)}.{self.rng.randint(1, 9)}5")
        return float(text)

    def clock(self) -> str:
        """A time of day on a five-minute grid: closed, since there are only a few hundred."""
        return f"{self.rng.randint(8, 19):02d}:{self.rng.randrange(0, 60, 5):02d}"

    def _unique(self, draw: Callable[[], str]) -> str:
        while True:
            text = draw()
            if population_of(text) is self.population:
                return text

    def _word(self) -> str:
        return self._pick("syllables") + self._pick("syllables")

    def _rare_word(self) -> str:
        parts = [self._pick("syllables"), self._pick("rare_syllables")]
        self.rng.shuffle(parts)
        return "".join(parts).capitalize()

    def _city(self) -> str:
        ending = self._pick("city_endings") if self.rng.random() < 0.5 else ""
        return (self._word() + ending).capitalize()

    def _email(self) -> str:
        local = f"{self.rng.choice('abcdefghijklmnoprstvw')}.{self._word()}"
        return f"{local}@{self._pick('mail_hosts')}.{self._pick('mail_endings')}"

    def _capitals(self, count: int) -> str:
        return "".join(self.rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZ", k=count))

    def _digits(self, count: int) -> str:
        return "".join(self.rng.choices("0123456789", k=count))

    def _pick(self, pool: str) -> str:
        return self.rng.choice(_POOLS[pool])


def population_of(text: str) -> Population:
    """Return the one population that may see a string."""
    return _POPULATION_OF_BUCKET.get(zlib.crc32(text.encode()) % _BUCKETS, Population.TRAIN)


def name_parts() -> list[str]:
    """Every part that names are put together from, in both cases."""
    parts = [*_POOLS["syllables"], *_POOLS["rare_syllables"], *_POOLS["city_endings"]]
    return sorted({form for part in parts for form in (part, part.capitalize())})
