"""Customer messages with the one call each asks for, drawn by kind from the phrase book."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from names import Names, Population
from phrases import PhraseBook, expand, fill, slots_of
from tools import TOOLS, Call, Value, call_of, refusal

# Shares of real traffic. Long messages are few: one costs as many tokens as ten others.
TRAFFIC_MIX: dict[str, float] = {
    "flat": 0.12,
    "five_arguments": 0.13,
    "nested": 0.13,
    "numeric": 0.12,
    "multilingual": 0.16,
    "long_context": 0.04,
    "refusal": 0.11,
    "injection": 0.09,
    "tail": 0.10,
}
_NEAR_MISS_SHARE = 0.35
# The smallest language counts double: its own slice has to be large enough for a verdict.
_LANGUAGE_SHARES = {"sw": 2}
_LONG_CHARACTERS = (820, 900)
# Training also sees shorter chatter: it teaches the same skill for a fraction of the tokens.
_TRAINED_LONG_CHARACTERS = (80, 950)
_SLOT_PREFIXES = ("from_", "to_", "first_", "second_", "other_")
_STRUCTURED = ("five_arguments", "nested", "numeric")

# What a message says as it stands. The slots missing here are words of the phrase book.
_OPEN_SLOTS: dict[str, Callable[[Names], Value]] = {
    "order_id": Names.order_id,
    "id": Names.order_id,
    "name": Names.person,
    "city": Names.city,
    "email": Names.email,
    "phone": Names.phone,
    "time": Names.clock,
    "amount": Names.amount,
    "meter": lambda names: names.number(8),
    "invoice": lambda names: names.number(7),
    "account": lambda names: names.number(6),
    "reading": lambda names: int(names.number(5)),
    "points": lambda names: int(names.number(3)),
    "size": lambda names: names.rng.randint(36, 46),
    "count": lambda names: names.rng.randint(2, 9),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a customer wrote, the call it asks for, and the slices it counts towards."""

    text: str
    call: Call
    slices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MessageSource:
    """An endless, seeded stream of messages of one population."""

    books: Mapping[str, PhraseBook]
    population: Population
    rng: random.Random

    def draw(self, kind: str) -> Message:
        """One message of a kind; the kinds are the keys of `TRAFFIC_MIX`."""
        match kind:
            case "multilingual" | "tail":
                return self._foreign(kind)
            case "long_context":
                return self._long()
            case "refusal":
                near_miss = self.rng.random() < _NEAR_MISS_SHARE
                return self._near_miss() if near_miss else self._refused()
            case "injection":
                return self._injected()
            case _:
                return self._request(self._tool(kind), self._english, slices=(kind,))

    def stream(self, mix: Mapping[str, float] = TRAFFIC_MIX) -> Iterator[Message]:
        """Messages of all kinds, in these shares."""
        kinds, shares = list(mix), list(mix.values())
        while True:
            yield self.draw(self.rng.choices(kinds, shares)[0])

    @property
    def _english(self) -> PhraseBook:
        return self.books["en"]

    def _names(self, *, rare: bool = False) -> Names:
        return Names(self.rng, self.population, rare)

    def _tool(self, slice_name: str, among: PhraseBook | None = None) -> str:
        book = among or self._english
        return self.rng.choice([name for name in book.intents if TOOLS[name].slice == slice_name])

    def _request(self, tool: str, book: PhraseBook, *, slices: tuple[str, ...]) -> Message:
        core, call = self._core(tool, book, rare="tail" in slices)
        choose = self.rng.choice
        return Message(
            text=choose(book.openings) + core + choose(book.closings), call=call, slices=slices
        )

    def _core(self, tool: str, book: PhraseBook, *, rare: bool = False) -> tuple[str, Call]:
        names = self._names(rare=rare)
        drawn = {slot: _draw_slot(slot, names, book) for slot in TOOLS[tool].slots}
        line = expand(self.rng.choice(book.intents[tool].of(self.population)), self.rng)
        text = fill(line, {slot: text for slot, (_, text) in drawn.items()})
        call = call_of(tool, {slot: value for slot, (value, _) in drawn.items()})
        return text[:1].upper() + text[1:], call

    def _foreign(self, kind: str) -> Message:
        languages = [code for code in self.books if code != "en"]
        shares = [_LANGUAGE_SHARES.get(code, 1) for code in languages]
        language = self.rng.choices(languages, shares)[0]
        # A tail message is always structured; other foreign ones mostly ask for simple things.
        structured = kind == "tail" or self.rng.random() < 0.4
        structure = self.rng.choice(_STRUCTURED) if structured else "flat"
        slices = ["multilingual"]
        slices += [structure] if structured else []
        slices += ["tail"] if kind == "tail" else []
        slices += ["lang_sw"] if language == "sw" else []
        book = self.books[language]
        return self._request(self._tool(structure, book), book, slices=tuple(slices))

    def _long(self) -> Message:
        training = self.population is Population.TRAIN
        wanted = self.rng.randint(*(_TRAINED_LONG_CHARACTERS if training else _LONG_CHARACTERS))
        core, call = self._core(self._tool(self.rng.choice(("flat", "nested"))), self._english)
        sentences: list[str] = []
        lines = self._english.filler.of(self.population)
        while sum(map(len, sentences)) < wanted:
            sentences += [self._sentence(line) for line in self.rng.sample(lines, 3)]
        sentences.insert(self.rng.randint(0, len(sentences)), core)
        return Message(text=" ".join(sentences), call=call, slices=("long_context",))

    def _refused(self) -> Message:
        reason = self.rng.choice(list(self._english.refusals))
        lines = self._english.refusals[reason].of(self.population)
        choose = self.rng.choice
        text = choose(self._english.openings) + self._sentence(choose(lines))
        text += choose(self._english.closings)
        return Message(text=text, call=refusal(reason), slices=("refusal",))

    def _near_miss(self) -> Message:
        core, call = self._core(self._tool("flat"), self._english)
        clause = self._sentence(self.rng.choice(self._english.near_misses.of(self.population)))
        parts = [clause, core] if self.rng.random() < 0.7 else [core, clause]
        return Message(text=" ".join(parts), call=call, slices=("refusal",))

    def _injected(self) -> Message:
        structure = self.rng.choices(("flat", "five_arguments"), (0.8, 0.2))[0]
        core, call = self._core(self._tool(structure), self._english)
        attack = self._sentence(self.rng.choice(self._english.injections.of(self.population)))
        parts = [attack, core] if self.rng.random() < 0.5 else [core, attack]
        return Message(text=" ".join(parts), call=call, slices=("injection",))

    def _sentence(self, line: str) -> str:
        """A line that carries no argument: its slots are filled and then forgotten."""
        book, names = self._english, self._names()
        line = expand(line, self.rng)
        line = fill(line, {slot: _text_or_slot(slot, book, self.rng) for slot in slots_of(line)})
        return fill(line, {slot: _draw_slot(slot, names, book)[1] for slot in slots_of(line)})


def _text_or_slot(slot: str, book: PhraseBook, rng: random.Random) -> str:
    """An optional end of a line, or the slot itself when the book lists none by that name."""
    return rng.choice(book.tails[slot]) if slot in book.tails else f"{{{slot}}}"


def _draw_slot(slot: str, names: Names, book: PhraseBook) -> tuple[Value, str]:
    """The value that the answer carries and the text by which the message says it."""
    kind = slot
    for prefix in _SLOT_PREFIXES:
        kind = kind.removeprefix(prefix)
    if kind in book.words:
        word = names.rng.choice(list(book.words[kind]))
        return word, names.rng.choice(book.words[kind][word])
    value = _OPEN_SLOTS[kind](names)
    return value, str(value)
