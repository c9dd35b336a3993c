"""For every item the rows of a corpus that share most of its words, in one pass and in bounded memory.

A row is looked at in units of at most 4,000 characters, which overlap, so that a question inside a long row
is met whole. How telling a word is (its inverse document frequency) is estimated on the first units for
the search, and known exactly at its end for the decision.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy
from numpy.typing import NDArray

from quantgate.calibration.checks.overlap_index import Counts, Hits, OverlapIndex
from quantgate.pipelines.language.words import Places

Weights = NDArray[numpy.float64]
Held = NDArray[numpy.bool_]

_UNIT_CHARACTERS = 4000
_UNIT_STEP = 2500
_BATCH_CHARACTERS = 200_000
_SAMPLE_BATCHES = 40
_KEPT = 16
_LEAST_SCORE = 0.3
_COMMON_SHARE = 0.1
_COMMON_UNITS = 200
"""Words in more units than both are granted to every unit instead of being counted: they tell nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRow:
    """What of a corpus row is compared: its messages or text, without what every row shares (system)."""

    id: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class CandidateUnit:
    """A unit that shares much with a part; `order` is the unit's number among all, negated (early first).

    `held` are those of the part's distinct words that stand in it.
    """

    score: float
    order: int
    row_id: str
    text: str
    held: Held = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """What one pass found: for every part its best candidates, and for words in how many units they stand.

    `equal` are for items the first message that says the same, with its row's id.
    """

    candidates: tuple[tuple[CandidateUnit, ...], ...]
    units_with: Counts
    unit_count: int
    row_count: int
    equal: dict[int, tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    texts: list[str]
    unit_of: Places
    row_ids: list[str]
    """Of each unit."""
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _BatchScores:
    batch: _Batch
    hits: Hits
    units: Places
    parts: Places
    scores: Weights


class OverlapSearch:
    """One pass of an index's items over rows."""

    def __init__(self, index: OverlapIndex) -> None:
        """Prepare for one pass."""
        self._index = index
        self._heaps: list[list[CandidateUnit]] = [[] for _ in index.parts]
        self._floors = numpy.full(len(index.parts), _LEAST_SCORE)
        self._units_with = numpy.zeros(len(index.vocabulary), dtype=numpy.int64)
        self._units = self._rows = 0
        self._equal: dict[int, tuple[str, str]] = {}

    def run(self, rows: Iterable[ComparedRow], threads: int) -> SearchResult:
        """Return what stands in the rows; the result does not depend on the number of threads."""
        batches = _batches(rows)
        sample = list(itertools.islice(batches, _SAMPLE_BATCHES))
        self._estimate(sample)
        with ThreadPoolExecutor(max_workers=threads) as pool:
            waiting: deque[Future[_BatchScores]] = deque()
            for batch in itertools.chain(sample, batches):
                waiting.append(pool.submit(self._look, batch))
                if len(waiting) > 2 * threads:
                    self._take(waiting.popleft().result())
            for future in waiting:
                self._take(future.result())
        return SearchResult(
            candidates=tuple(tuple(sorted(heap, reverse=True)) for heap in self._heaps),
            units_with=self._units_with,
            unit_count=self._units,
            row_count=self._rows,
            equal=self._equal,
        )

    def _estimate(self, sample: Sequence[_Batch]) -> None:
        """Weigh words by the first units: squared, as in the inner product of tf-idf vectors."""
        from scipy.sparse import csr_matrix

        index = self._index
        seen = numpy.zeros(len(index.vocabulary), dtype=numpy.int64)
        units = 0
        for batch in sample:
            hits = index.hits(batch.texts, batch.unit_of)
            seen += numpy.bincount(hits.words, minlength=len(seen))
            units += hits.unit_count
        weights = information(seen + index.items_with, units + len(index.parts)) ** 2
        words, holders = index.words, index.holders
        total = numpy.bincount(holders, weights=weights[words], minlength=len(index.parts))
        shares = weights[words] / numpy.maximum(total, 1e-9)[holders]
        self._common = (seen > _COMMON_SHARE * units) & (seen > _COMMON_UNITS)
        common = self._common[words]
        self._granted = numpy.bincount(
            holders[common], weights=shares[common], minlength=len(index.parts)
        )
        self._shares: csr_matrix = csr_matrix(
            (shares[~common], (words[~common], holders[~common])), shape=(len(seen), len(total))
        )

    def _look(self, batch: _Batch) -> _BatchScores:
        from scipy.sparse import csr_matrix

        hits = self._index.hits(batch.texts, batch.unit_of)
        telling = ~self._common[hits.words]
        units, words = hits.units[telling], hits.words[telling]
        stands = csr_matrix(
            (numpy.ones(len(units)), (units, words)), shape=(hits.unit_count, len(self._common))
        )
        product = (stands @ self._shares).tocoo()
        scores = product.data + self._granted[product.col]
        enough = scores >= self._floors[product.col]  # floors only rise: a late look keeps too much
        return _BatchScores(
            batch=batch,
            hits=hits,
            units=product.row[enough],
            parts=product.col[enough],
            scores=scores[enough],
        )

    def _take(self, scored: _BatchScores) -> None:
        hits, batch = scored.hits, scored.batch
        first = self._units
        self._units_with += numpy.bincount(hits.words, minlength=len(self._units_with))
        self._units += hits.unit_count
        self._rows += batch.rows
        for text, item in hits.equal:
            unit = int(batch.unit_of[text])
            self._equal.setdefault(item, (batch.row_ids[unit], batch.texts[text]))
        texts: dict[int, str] = {}
        order = numpy.lexsort((scored.units, scored.parts))
        for at in order[scored.scores[order] >= self._floors[scored.parts[order]]]:
            part, unit, score = (
                int(scored.parts[at]),
                int(scored.units[at]),
                float(scored.scores[at]),
            )
            if score < self._floors[part]:
                continue
            if unit not in texts:
                texts[unit] = _unit_text(batch, unit)
            self._keep(part, CandidateUnit(
                score=score, order=-(first + unit), row_id=batch.row_ids[unit], text=texts[unit],
                held=_held(self._index.numbered[part], hits, unit),
            ))  # fmt: skip

    def _keep(self, part: int, candidate: CandidateUnit) -> None:
        heap = self._heaps[part]
        if len(heap) < _KEPT:
            heapq.heappush(heap, candidate)
        else:
            heapq.heappushpop(heap, candidate)
        if len(heap) == _KEPT:
            self._floors[part] = heap[0].score


def information(documents_with: Counts, documents: int) -> Weights:
    """Return how telling words are in nats: the inverse document frequency ln((n + 1) / df)."""
    telling: Weights = numpy.log(
        (documents + 1) / numpy.maximum(documents_with, 1)
    )  # never below 0
    return telling


def _held(numbers: Places, hits: Hits, unit: int) -> Held:
    first, last = numpy.searchsorted(hits.units, [unit, unit + 1])
    return numpy.isin(numbers, hits.words[first:last], assume_unique=True)


def _unit_text(batch: _Batch, unit: int) -> str:
    first, last = numpy.searchsorted(batch.unit_of, [unit, unit + 1])
    return "\n".join(batch.texts[first:last])


def _batches(rows: Iterable[ComparedRow]) -> Iterator[_Batch]:
    texts: list[str] = []
    unit_of: list[int] = []
    row_ids: list[str] = []
    size = count = 0
    for row in rows:
        count += 1
        for unit in _units(row.texts):
            texts += unit
            unit_of += [len(row_ids)] * len(unit)
            row_ids.append(row.id)
            size += sum(map(len, unit))
        if size >= _BATCH_CHARACTERS:
            yield _Batch(texts=texts, unit_of=numpy.array(unit_of), row_ids=row_ids, rows=count)
            texts, unit_of, row_ids, size, count = [], [], [], 0, 0
    if count:
        places = numpy.array(unit_of, dtype=numpy.int64)
        yield _Batch(texts=texts, unit_of=places, row_ids=row_ids, rows=count)


def _units(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Short rows whole; each message of a long one by itself, in overlapping pieces where it is long."""
    if sum(map(len, texts)) <= _UNIT_CHARACTERS:
        if texts:
            yield texts
        return
    for text in texts:
        for start in range(0, max(1, len(text) - (_UNIT_CHARACTERS - _UNIT_STEP)), _UNIT_STEP):
            yield (text[start : start + _UNIT_CHARACTERS],)
