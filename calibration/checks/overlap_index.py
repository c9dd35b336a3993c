"""The words of a suite's items, and which of them stand in a batch of texts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy
from numpy.typing import NDArray

from quantgate.pipelines.language.words import Hashes, Places, run_hashes, words_of

Counts = NDArray[numpy.int64]

_LONGEST_PART_WORDS = 200
_TABLE_BITS = 20
_NOBODY, _SEVERAL = -1, -2


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPart:
    """An item (`whole`), or one of the equal parts of a long one: its words in order, and each word once."""

    item: int
    whole: bool
    words: Hashes
    distinct: Hashes


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """Which word of the vocabulary stands in which unit (each pair once), and which messages equal an item.

    `equal` are pairs of a text's index and an item's.
    """

    units: Places
    words: Places
    unit_count: int
    equal: tuple[tuple[int, int], ...]


class OverlapIndex:
    """An inverted index over the words of some texts, the items."""

    def __init__(self, texts: Sequence[str], shortest_characters: int) -> None:
        """Index the items; only those with so many characters in words are looked for as whole messages."""
        words = words_of(texts)
        self.parts: list[ItemPart] = []
        self._whole: dict[int, list[int]] = {}
        hashes = run_hashes(words.hashes, words.bounds[:-1], words.bounds[1:])
        for item, (start, end) in enumerate(zip(words.bounds[:-1], words.bounds[1:], strict=True)):
            self.parts += _parts(item, words.hashes[start:end])
            letters = int((words.ends[start:end] - words.starts[start:end]).sum())
            if letters + (end - start) > shortest_characters:
                self._whole.setdefault(int(hashes[item]), []).append(item)
        everything = [part.distinct for part in self.parts] or [numpy.zeros(0, numpy.uint64)]
        self.vocabulary: Hashes = numpy.unique(numpy.concatenate(everything))
        self._table = _table(self.vocabulary)
        self._whole_hashes = numpy.array(sorted(self._whole), dtype=numpy.uint64)
        self.numbered = [self.numbers(part.distinct) for part in self.parts]
        self.words, self.holders = self._postings()
        self._first = numpy.searchsorted(self.words, numpy.arange(len(self.vocabulary) + 1))

    @property
    def items_with(self) -> Counts:
        """For each word of the vocabulary, how many parts hold it."""
        return numpy.bincount(self.words, minlength=len(self.vocabulary))

    def holders_of(self, word: int) -> Places:
        """Return the places of the parts that hold a word of the vocabulary."""
        return self.holders[self._first[word] : self._first[word + 1]]

    def numbers(self, hashes: Hashes) -> Places:
        """Return the places of words in the vocabulary, -1 where they are not in it."""
        if not len(self.vocabulary):
            return numpy.full(len(hashes), -1)
        at = numpy.searchsorted(self.vocabulary, hashes)
        at[at == len(self.vocabulary)] = 0
        return numpy.where(self.vocabulary[at] == hashes, at, -1)

    def hits(self, texts: Sequence[str], unit_of: Places) -> Hits:
        """Look for all words in texts; `unit_of` is each text's unit, rising from 0."""
        words = words_of(texts)
        places, numbers = self._in_vocabulary(words.hashes)
        unit_of_word = numpy.repeat(unit_of, numpy.diff(words.bounds))
        size = max(1, len(self.vocabulary))
        keys = unit_of_word[places] * size + numbers
        keys.sort()  # and not numpy.unique, which hashes numbers and takes several times as long
        keys = keys[numpy.diff(keys, prepend=-1) > 0]
        return Hits(
            units=keys // size,
            words=keys % size,
            unit_count=int(unit_of[-1]) + 1 if len(unit_of) else 0,
            equal=self._equal(words.hashes, words.bounds),
        )

    def _in_vocabulary(self, hashes: Hashes) -> tuple[Places, Places]:
        """Return the places of words that are in the vocabulary, and their numbers there."""
        guesses = self._table[_slot(hashes)]
        places = numpy.flatnonzero(guesses != _NOBODY)
        numbers = guesses[places].astype(numpy.int64)
        crowded = numpy.flatnonzero(numbers == _SEVERAL)
        numbers[crowded] = self.numbers(hashes[places[crowded]])
        meant = numbers >= 0
        meant[meant] = self.vocabulary[numbers[meant]] == hashes[places[meant]]
        return places[meant], numbers[meant]

    def _equal(self, hashes: Hashes, bounds: Places) -> tuple[tuple[int, int], ...]:
        runs = run_hashes(hashes, bounds[:-1], bounds[1:])
        texts = numpy.flatnonzero(numpy.isin(runs, self._whole_hashes))
        return tuple((int(text), item) for text in texts for item in self._whole[int(runs[text])])

    def _postings(self) -> tuple[Places, Places]:
        """Pairs of a word's number and a part's, by word."""
        if not self.parts:
            return numpy.zeros(0, dtype=numpy.int64), numpy.zeros(0, dtype=numpy.int64)
        words = numpy.concatenate(self.numbered)
        sizes = [len(numbers) for numbers in self.numbered]
        holders = numpy.repeat(numpy.arange(len(sizes)), sizes)
        order = numpy.argsort(words, kind="stable")
        return words[order], holders[order]


def _parts(item: int, words: Hashes) -> list[ItemPart]:
    count = math.ceil(len(words) / _LONGEST_PART_WORDS)
    edges = [len(words) * at // count for at in range(count + 1)] if count else []
    return [
        ItemPart(
            item=item,
            whole=count == 1,
            words=words[start:end],
            distinct=numpy.unique(words[start:end]),
        )
        for start, end in pairwise(edges)
    ]


def _table(vocabulary: Hashes) -> NDArray[numpy.int32]:
    """Which word may be meant by the first bits of a hash: its number, nobody, or one of several."""
    table = numpy.full(1 << _TABLE_BITS, _NOBODY, dtype=numpy.int32)
    slots = _slot(vocabulary)
    table[slots] = numpy.arange(len(vocabulary))
    crowded, counts = numpy.unique(slots, return_counts=True)
    table[crowded[counts > 1]] = _SEVERAL
    return table


def _slot(hashes: Hashes) -> Places:
    return (hashes >> numpy.uint64(64 - _TABLE_BITS)).astype(numpy.int64)
