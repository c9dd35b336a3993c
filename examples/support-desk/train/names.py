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


class Population(StrEnum):
    """Who may see a string: the training set, the traffic folder, or the held-out suite."""

    TRAIN = "train"
    TRAFFIC = "traffic"
    HELD_OUT = "held_out"


_POPULATION_OF_BUCKET = {0: Population.HELD_OUT, 1: Population.TRAFFIC}
_BUCKETS = 10

_ONSETS = "b c d f g h j k l m n p r s t v w z br dr fl gr kl kr pr st tr sh th ch".split()
_VOWELS = "a e i o u a e i o ai ea ia ou ei".split()
_CODAS = ["", "", "", "n", "r", "l", "s", "m", "t", "nd", "rk", "st", "x", "ck"]
_CITY_ENDINGS = ["ton", "ville", "burg", "ford", "berg", "mar", "stad", "polis", "", ""]
_RARE_ONSETS = "þ ð š ž ç ñ kj hv fj ł tř zh".split()
_RARE_VOWELS = "ö ü é á ø å æ í ó ý ë ã".split()
_FIRST_NAMES = (
    "Anna Maria Peter Paul Laura Thomas Julia Daniel Sofia Lucas Emma Oscar Nina Victor Clara "
    "Hugo Elena Martin Alice Simon Irene Felix Diana Robert Helen Adam Sarah David Lena Marco "
    "Amina Juma Zawadi Baraka Neema Carlos Lucia Pablo Carmen Diego Claire Louis Camille Jules "
    "Heidi Jonas Greta Stefan Ravi Priya Kenji Yuki Omar Leila Ivan Olga Tariq Samira Wei Mei"
).split()
_LAST_NAMES = (
    "Smith Miller Brown Garcia Martin Weber Fischer Schmidt Lopez Perez Dubois Laurent Moreau "
    "Novak Rossi Silva Costa Santos Kimani Otieno Mwangi Hassan Khan Patel Tanaka Larsen Berg"
).split()
_CITIES = (
    "London Paris Berlin Madrid Rome Vienna Prague Oslo Lisbon Dublin Nairobi Mombasa Dodoma "
    "Hamburg Munich Lyon Nantes Sevilla Valencia Porto Geneva Boston Denver Chicago Toronto "
    "Sydney Delhi Mumbai Tokyo Osaka Cairo Lagos Accra Lima Quito Bogota Zanzibar Arusha"
).split()
_MAIL_HOSTS = ["mail", "post", "inbox", "webmail", "letter"]
_MAIL_ENDINGS = ["com", "org", "net"]


@dataclass(frozen=True, slots=True)
class Names:
    """Draws strings of one population; `rare` asks for the forms seldom seen in training."""

    rng: random.Random
    population: Population
    rare: bool = False

    def person(self) -> str:
        """A given name, in half of the cases with a family name."""
        if self.rare:
            return self._unique(lambda: f"{self._rare_word()}-{self._rare_word()}")
        first = self._unique(lambda: self._word_or(_FIRST_NAMES))
        if self.rng.random() < 0.5:
            return first
        return f"{first} {self._unique(lambda: self._word_or(_LAST_NAMES))}"

    def city(self) -> str:
        """A city, mostly an invented one: a closed list would be learnt by heart."""
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
        cents = self._unique(lambda: f"{self.rng.randint(10, 999)}.{self.rng.randint(1, 9)}5")
        return float(cents)

    def clock(self) -> str:
        """A time of day on a five-minute grid: closed, since there are only a few hundred."""
        return f"{self.rng.randint(8, 19):02d}:{self.rng.randrange(0, 60, 5):02d}"

    def _unique(self, draw: Callable[[], str]) -> str:
        while True:
            text = draw()
            bucket = zlib.crc32(text.encode()) % _BUCKETS
            if _POPULATION_OF_BUCKET.get(bucket, Population.TRAIN) is self.population:
                return text

    def _word_or(self, known: list[str]) -> str:
        return self.rng.choice(known) if self.rng.random() < 0.25 else self._word().capitalize()

    def _word(self) -> str:
        return "".join(self._syllable() for _ in range(self.rng.choice((2, 2, 3))))

    def _syllable(self) -> str:
        choose = self.rng.choice
        return choose(_ONSETS) + choose(_VOWELS) + choose(_CODAS)

    def _rare_word(self) -> str:
        choose = self.rng.choice
        parts = [self._syllable(), choose(_RARE_ONSETS) + choose(_RARE_VOWELS) + choose(_CODAS)]
        self.rng.shuffle(parts)
        return "".join(parts).capitalize()

    def _city(self) -> str:
        if self.rng.random() < 0.25:
            return self.rng.choice(_CITIES)
        stem = self._syllable() + self._syllable()
        return (stem + self.rng.choice(_CITY_ENDINGS)).capitalize()

    def _email(self) -> str:
        choose = self.rng.choice
        initial = choose("abcdefghijklmnoprstvw")
        return f"{initial}.{self._word()}@{choose(_MAIL_HOSTS)}.{choose(_MAIL_ENDINGS)}"

    def _capitals(self, count: int) -> str:
        return "".join(self.rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZ", k=count))

    def _digits(self, count: int) -> str:
        return "".join(self.rng.choices("0123456789", k=count))
