"""One part of a source: every row read, filtered, ranked, and of each cell the first ranks kept.

A row's rank is a hash of its content and the spec's seed. So equal rows have equal ranks, a choice by rank
does not depend on any order, and a part can be worked on without knowing of the others.
"""

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from struct import Struct
from typing import TypeVar

import numpy

from quantgate.calibration.drawing.mixing import BottomRows, Cell, cell_of, kept_rows, shares_of
from quantgate.calibration.drawing.parts import CANDIDATES, RANKS, CellRows, ScanCall, ScannedPart
from quantgate.calibration.sources.readers import RowNumbers, rows
from quantgate.calibration.sources.rows import Place, RowReader, SourceRow
from quantgate.calibration.specs.corpus import CorpusSpec, Filters, SourceSpec
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import JsonObject, JsonValue, canonical_json
from quantgate.pipelines.evaluation.graders.reading import patterns
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused
from quantgate.pipelines.language.identify import languages_of
from quantgate.pipelines.process.calls import OnProgress, Progress, ignore_progress
from quantgate.pipelines.specs.chat_messages import BrokenRowError, ForeignContentError

Element = TypeVar("Element")

CANDIDATE = Struct(">16sQI")
"""A rank, a position, a length."""

_BATCH_ROWS = 512
_MOST_PROBLEMS = 20


def scan(call: ScanCall, on_progress: OnProgress = ignore_progress) -> ScannedPart:
    """Scan a part and write its candidates and the ranks of all its rows.

    Raises:
        InputError: where the file cannot be read on.
    """
    scanning = _Scan(call)
    part, source = call.part, call.source
    for batch in _batches(rows(source.path, source.kind, part.start, part.end)):
        scanning.take(batch)
        done = batch[-1][0].position - part.start if source.kind in ("jsonl", "txt") else 0
        on_progress(
            Progress(done=min(done, part.size_bytes), total=part.size_bytes, what="scanning")
        )
        if len(scanning.problems) >= _MOST_PROBLEMS:
            break
    return scanning.finish()


def rank_of(content: JsonValue, seed: int) -> bytes:
    """Return where a row stands in the seed's order: 16 bytes of a sha256 over its content's sha256."""
    identity = hashlib.sha256(canonical_json(content).encode()).hexdigest()
    return hashlib.sha256(f"{seed}:{identity}".encode()).digest()[:16]


class RowFilter:
    """Says why a row is left out, in one word for the card; None where it stays."""

    def __init__(self, filters: Filters) -> None:
        """Compile what the filters name."""
        self._filters = filters
        self._roles = frozenset(filters.roles)
        self._include = [_pattern(text) for text in filters.include]
        self._exclude = [_pattern(text) for text in filters.exclude]

    def reason(self, row: SourceRow) -> str | None:
        """Judge all but the language; messages of other roles are taken out of the row."""
        if not row.messages and not row.text:
            return "empty"
        if self._roles and row.messages:
            row.messages = [message for message in row.messages if message["role"] in self._roles]
            if not row.messages:
                return "roles"
        filters = self._filters
        characters = sum(map(len, row.contents))
        if not characters:
            return "empty"
        if characters < filters.min_characters:
            return "too_short"
        if filters.max_characters is not None and characters > filters.max_characters:
            return "too_long"
        if row.messages and len(row.messages) < filters.min_messages:
            return "too_few_messages"
        if filters.max_messages is not None and len(row.messages) > filters.max_messages:
            return "too_many_messages"
        return self._pattern_reason(row)

    def _pattern_reason(self, row: SourceRow) -> str | None:
        if not self._include and not self._exclude:
            return None
        said = "\n".join(row.contents)
        if self._include and not any(_meets(pattern, said) for pattern in self._include):
            return "not_included"
        return "excluded" if any(_meets(pattern, said) for pattern in self._exclude) else None


def _pattern(text: str) -> patterns.Pattern:
    ready = patterns.compiled(text)
    if isinstance(ready, Refused):
        raise InputError(
            ready.reason,
            where="filters of the corpus's spec",
            next_step="mend this pattern in the spec",
        )
    return ready


def _meets(pattern: patterns.Pattern, said: str) -> bool:
    met = patterns.search(pattern, said)
    if isinstance(met, Refused):
        raise InputError(
            met.reason.replace("on this answer", "on a row of a source"),
            where="filters of the corpus's spec",
            next_step="write it without repetitions inside repetitions, such as (a+)+",
        )
    return met


class Preparer:
    """Turns what stands in a file into rows that carry all a spec says of their source."""

    def __init__(self, spec: CorpusSpec, source: SourceSpec) -> None:
        """Take a spec's filters and a source's columns and defaults."""
        self.reader = RowReader(source.fields, source.json_columns, spec.rendering)
        self._filter = RowFilter(spec.filters)
        self._source = source

    def prepare(self, raw: JsonObject) -> SourceRow | str:
        """Return a row, or why it is left out.

        Raises:
            BrokenRowError: where it cannot be understood.
        """
        try:
            row = self.reader.read(raw)
        except ForeignContentError:
            return "not_text"
        row.language = row.language or self._source.language
        row.domain = row.domain or self._source.domain
        return self._filter.reason(row) or row


class _Scan:
    def __init__(self, call: ScanCall) -> None:
        self._call = call
        self._preparer = Preparer(call.spec, call.source.spec)
        self._shares = shares_of(call.spec)
        self._languages = frozenset(call.spec.filters.languages)
        self._needs_language = bool(self._languages) or call.spec.mix.needs_language
        self._rows = 0
        self._dropped: Counter[str] = Counter()
        self._kept: dict[Cell, BottomRows] = {}
        self._in_cells: Counter[Cell] = Counter()
        self._ranks = array("Q")
        self._columns: tuple[str, ...] = ()
        self.problems: list[tuple[Place, str]] = []

    def take(self, batch: list[tuple[Place, JsonObject | BrokenRowError]]) -> None:
        """Work on some rows at once: languages are told of many texts much faster than of one."""
        self._rows += len(batch)
        ready: list[tuple[Place, SourceRow]] = []
        for place, raw in batch:
            try:
                if isinstance(raw, BrokenRowError):
                    raise raw
                if not self._columns:
                    self._columns = tuple(raw)
                prepared = self._preparer.prepare(raw)
            except BrokenRowError as error:
                self._broken(place, str(error))
                continue
            if isinstance(prepared, str):
                self._dropped[prepared] += 1
            else:
                ready.append((place, prepared))
        if self._needs_language:
            name_languages([row for _, row in ready])
        for place, row in ready:
            self._keep(place, row)

    def _keep(self, place: Place, row: SourceRow) -> None:
        if self._languages and row.language not in self._languages:
            self._dropped["language"] += 1
            return
        call = self._call
        cell = cell_of(
            row,
            source=call.source.spec.name,
            characters=sum(map(len, row.contents)),
            mix=call.spec.mix,
            shares=self._shares,
        )
        if cell is None:
            self._dropped["not_in_mix"] += 1
            return
        kept = self._kept.get(cell)
        if kept is None:
            most = kept_rows(cell, self._shares, call.sequences, call.factor)
            kept = self._kept[cell] = BottomRows(most)
        self._in_cells[cell] += 1
        rank = rank_of(row.content(), call.spec.seed)
        self._ranks.append(int.from_bytes(rank[:8], "big"))
        kept.add(rank, (call.part.source, place.position, place.length))

    def _broken(self, place: Place, why: str) -> None:
        if self._call.spec.broken_rows == "skip":
            self._dropped["broken"] += 1
        elif len(self.problems) < _MOST_PROBLEMS:
            self.problems.append((place, why))

    def finish(self) -> ScannedPart:
        """Write the files and return the counts."""
        folder, cells = self._call.folder, []
        with (folder / CANDIDATES).open("wb") as file:
            for cell in sorted(self._kept):
                kept = self._kept[cell]
                kept.shrink()
                for rank in sorted(kept.entries):
                    _, position, length = kept.entries[rank]
                    file.write(CANDIDATE.pack(rank, position, length))
                held = CellRows(
                    cell=cell,
                    rows=self._in_cells[cell],
                    candidates=len(kept.entries),
                    cut=kept.cut,
                )
                cells.append(held)
        numpy.sort(numpy.array(self._ranks, dtype=numpy.uint64)).tofile(folder / RANKS)
        source = self._call.source
        numbers = RowNumbers(source.path, source.kind)
        return ScannedPart(
            rows=self._rows,
            dropped=dict(sorted(self._dropped.items())),
            cells=tuple(cells),
            problems=tuple((numbers.of(place.position), why) for place, why in self.problems),
            unseen=tuple(sorted(self._preparer.reader.unseen)),
            columns=self._columns,
        )


def name_languages(rows: list[SourceRow]) -> None:
    """Tell the language of rows that do not name theirs."""
    unnamed = [row for row in rows if not row.language]
    if unnamed:
        for row, language in zip(unnamed, languages_of([r.asked for r in unnamed]), strict=True):
            row.language = language


def _batches(stream: Iterator[Element]) -> Iterator[list[Element]]:
    while batch := list(islice(stream, _BATCH_ROWS)):
        yield batch
