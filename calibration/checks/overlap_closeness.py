"""Whether a row that shares words with an item is a copy of it, or only of the same template or topic."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy

from quantgate.calibration.checks.overlap_index import ItemPart, OverlapIndex
from quantgate.calibration.checks.overlap_search import (
    CandidateUnit,
    Held,
    SearchResult,
    Weights,
    information,
)
from quantgate.pipelines.language.words import Hashes, Words, words_of

LEAST_LIKENESS = 0.5
"""At least this share of the item's information stands close together in the row, if that is many words …"""
LEAST_ORDER = 0.35
"""… and this share of its neighbouring pairs of words …"""
LEAST_DISTINCTIVE = 0.5
"""… and this share of what fewer than three other rows and items say too: else it is a shared template."""
FEWEST_WORDS = 6
"""Of so few words two people's questions can be the same by chance; only whole messages count then."""
NEARLY_ALL = 0.9
"""An item that has nothing other rows lack, or shares few words, must stand there as good as whole."""
FEW_WORDS, MANY_WORDS = 9, 14
_TEMPLATE_USERS = 3
_LIKE_ITEMS, _LEAST_LIKE = 16, 0.3
_STRETCH = 1.5
_SLACK_WORDS = 8
_MARGIN_CHARACTERS = 40
_ORDER = numpy.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closeness:
    """How close a row comes to a part of an item.

    `likeness`: share of the part's information (idf) in the row's best stretch. `order`: share of
    its neighbouring pairs there. `distinctive`: share of what other rows lack; None where they lack nothing.
    `verbatim`: all its words stand there one after the other. `whole`: the part is all of the item.
    """

    row_id: str
    likeness: float
    order: float
    distinctive: float | None
    shared_words: int
    verbatim: bool
    whole: bool
    excerpt: str

    @property
    def is_copy(self) -> bool:
        """Whether the part stands in the row."""
        if self.shared_words < FEWEST_WORDS:
            return False
        if self.verbatim:
            return True
        if self.likeness < least_likeness(self.shared_words) or self.order < LEAST_ORDER:
            return False
        return (
            self.likeness >= NEARLY_ALL
            if self.distinctive is None
            else self.distinctive >= LEAST_DISTINCTIVE
        )


def least_likeness(shared_words: int) -> float:
    """Return the share that is asked for: 0.9 of nine words, falling evenly to 0.5 of fourteen and more."""
    missing = min(1.0, max(0, MANY_WORDS - shared_words) / (MANY_WORDS - FEW_WORDS))
    return LEAST_LIKENESS + (NEARLY_ALL - LEAST_LIKENESS) * missing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    """The stretch of a unit's words that shares most with a part, as places from `first` to `last`."""

    first: int
    last: int
    held: Held
    """Of the part's distinct words, which stand in it."""


class Judge:
    """Judges the candidates of one search with what is known at its end."""

    def __init__(self, index: OverlapIndex, searched: SearchResult) -> None:
        """Weigh the vocabulary by all units and items."""
        self._index, self._searched = index, searched
        documents = searched.unit_count + len(index.parts)
        self._weights = information(searched.units_with + index.items_with, documents)

    def copies(self, place: int) -> Iterator[Closeness]:
        """Yield the candidates of a part that are copies of it."""
        part = self._index.parts[place]
        candidates = self._searched.candidates[place]
        weights = self._weights[self._index.numbered[place]]
        if not weights.sum():
            return
        like: list[Held] | None = None
        for at, candidate in enumerate(candidates):
            if weights[candidate.held].sum() < LEAST_LIKENESS * weights.sum():
                continue
            like = self._like(place) if like is None else like
            others = [
                other.held
                for at_other, other in enumerate(candidates)
                if at_other != at and other.text != candidate.text
            ]
            closeness = _closeness(part, weights, candidate, [*others, *like])
            if closeness.is_copy:
                yield closeness

    def _like(self, place: int) -> list[Held]:
        """Which of a part's words the items most like it have."""
        index = self._index
        part = index.parts[place]
        numbers = index.numbered[place]
        weights = self._weights[numbers]
        shared: dict[int, float] = {}
        for number, weight in zip(numbers.tolist(), weights.tolist(), strict=True):
            for other in index.holders_of(number).tolist():
                shared[other] = shared.get(other, 0.0) + weight
        near = [
            (-share, other)
            for other, share in shared.items()
            if index.parts[other].item != part.item and share >= _LEAST_LIKE * weights.sum()
        ]
        return [
            numpy.isin(part.distinct, index.parts[other].distinct)
            for _, other in sorted(near)[:_LIKE_ITEMS]
        ]


def _closeness(
    part: ItemPart, weights: Weights, candidate: CandidateUnit, others: Sequence[Held]
) -> Closeness:
    words = words_of([candidate.text])
    stretch = _best_stretch(part, weights, words.hashes)
    inside = words.hashes[stretch.first : stretch.last + 1]
    holders = numpy.sum(others, axis=0) if others else numpy.zeros(len(weights))
    distinctive = weights * (holders < _TEMPLATE_USERS)
    return Closeness(
        row_id=candidate.row_id,
        likeness=float(weights[stretch.held].sum() / weights.sum()),
        order=_order(part, weights, inside),
        distinctive=float(distinctive[stretch.held].sum() / distinctive.sum())
        if distinctive.any()
        else None,
        shared_words=int(stretch.held.sum()),
        verbatim=_stands_in(part.words, words.hashes),
        whole=part.whole,
        excerpt=_excerpt(candidate.text, words, stretch),
    )


def _excerpt(text: str, words: Words, stretch: _Stretch) -> str:
    """Return the stretch with a little around it: as written where levelling moved no character."""
    written = text if len(text) == len(words.levelled) else words.levelled
    start = int(words.starts[stretch.first]) - _MARGIN_CHARACTERS
    end = int(words.ends[stretch.last]) + _MARGIN_CHARACTERS
    return written[max(0, start) : end].strip()


def _best_stretch(part: ItemPart, weights: Weights, words: Hashes) -> _Stretch:
    """Slide over the words; a stretch is about half as long again as the part."""
    length = int(len(part.words) * _STRETCH) + _SLACK_WORDS
    at = numpy.searchsorted(part.distinct, words)
    at[at == len(part.distinct)] = 0
    places = numpy.flatnonzero(part.distinct[at] == words)
    numbers = at[places]
    counts = numpy.zeros(len(part.distinct), dtype=numpy.int64)
    best, best_ends, sum_now, first = -1.0, (0, 0), 0.0, 0
    for last, number in enumerate(numbers):
        sum_now += weights[number] if not counts[number] else 0.0
        counts[number] += 1
        while places[last] - places[first] >= length:
            counts[numbers[first]] -= 1
            sum_now -= weights[numbers[first]] if not counts[numbers[first]] else 0.0
            first += 1
        if sum_now > best + 1e-9:
            best, best_ends = sum_now, (first, last)
    held = numpy.zeros(len(part.distinct), dtype=bool)
    held[numbers[best_ends[0] : best_ends[1] + 1]] = True
    return _Stretch(first=int(places[best_ends[0]]), last=int(places[best_ends[1]]), held=held)


def _order(part: ItemPart, weights: Weights, inside: Hashes) -> float:
    """Share of the part's neighbouring pairs that stand in a stretch, by their words' information."""
    if len(part.words) < 2:
        return 1.0
    of_word = weights[numpy.searchsorted(part.distinct, part.words)]
    pairs, first = numpy.unique(_pairs(part.words), return_index=True)
    telling = of_word[first] + of_word[first + 1]
    total = telling.sum()
    return float(telling[numpy.isin(pairs, _pairs(inside))].sum() / total) if total else 1.0


def _pairs(words: Hashes) -> Hashes:
    return words[:-1] * _ORDER ^ words[1:]


def _stands_in(part: Hashes, words: Hashes) -> bool:
    """Whether all words of a part stand in a text one after the other."""
    starts = numpy.flatnonzero(words[: len(words) - len(part) + 1] == part[0])
    return any(numpy.array_equal(words[start : start + len(part)], part) for start in starts)
