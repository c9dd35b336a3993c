"""Rows of traffic and of a corpus as they are compared, and the sample of them that is."""

import heapq
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias, cast

from quantgate.calibration.drawing.scanning import RowFilter
from quantgate.calibration.drift.results import DriftSettings, SampledRows
from quantgate.calibration.sources.readers import Kind, RowNumbers
from quantgate.calibration.sources.readers import rows as raw_rows
from quantgate.calibration.sources.rows import RowReader, SourceRow
from quantgate.calibration.specs.corpus import Fields, Filters, Rendering
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.specs.chat_messages import BrokenRowError, ForeignContentError

TEXT = "text"
"""The role of raw text."""

ASSISTANT = "assistant"

_KINDS = ("jsonl", "txt", "csv")


@dataclass(frozen=True, slots=True)
class DriftRow:
    """One row: what it is called where it comes from, and its (role, text) parts in order."""

    id: str
    parts: tuple[tuple[str, str], ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to compare."""
        return not any(text.strip() for _, text in self.parts)


Rows: TypeAlias = "Iterable[DriftRow | str]"
"""Rows, and in place of one that is left out the reason, in one word."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """The rows of one side that are compared, and how many there were."""

    rows: tuple[DriftRow, ...]
    counts: SampledRows


def traffic_rows(path: Path, *, rendering: str = "chat", filters: Filters | None = None) -> Rows:
    """Yield the rows of a file (.jsonl, .txt or .csv, as corpora read them), or why one is left out.

    Rows go through what a corpus's spec does to those of its sources, but for its `languages`.

    Raises:
        InputError: naming the file, and the line that cannot be read.
    """
    kind = path.suffix.removeprefix(".")
    if kind not in _KINDS:
        raise InputError(
            f"traffic is read from .jsonl, .txt and .csv, not '{path.suffix}'",
            where=str(path),
            next_step="write one JSON object with `messages`, `prompt` or `text` a line",
        )
    reader = RowReader(Fields(), (), cast("Rendering", rendering))
    row_filter = RowFilter(filters or Filters())
    for number, (place, raw) in enumerate(
        raw_rows(path, cast("Kind", kind), 0, path.stat().st_size), start=1
    ):
        try:
            if isinstance(raw, BrokenRowError):
                raise raw
            row = reader.read(raw)
        except BrokenRowError as error:
            line = RowNumbers(path, cast("Kind", kind)).of(place.position)
            raise InputError(
                f"line {line}: {error}", where=str(path), next_step="mend this line"
            ) from error
        except ForeignContentError:
            yield "not_text"
            continue
        yield row_filter.reason(row) or DriftRow(
            row.identifier or f"{path.stem}:{number}", _parts(row)
        )


def corpus_rows(sequences: Iterable[CorpusSequence]) -> Iterator[DriftRow]:
    """Yield the rows of a corpus."""
    for sequence in sequences:
        parts = [(TEXT, sequence.text)]
        for message in sequence.messages:
            parts.append((message.role, message.content))
            if message.tool_calls:
                parts.append((message.role, _call_text(list(message.tool_calls))))
        yield DriftRow(sequence.id, tuple(part for part in parts if part[1]))


def sampled(rows: Rows, settings: DriftSettings, side: str) -> Sampled:
    """Return a uniform sample of the distinct rows: those whose hash with the seed is smallest.

    A corpus holds no row twice, so neither may its counterpart. The sample depends on neither file order
    nor machine; `side` makes the draws of both sides independent of each other.
    """
    kept: list[tuple[int, str, DriftRow]] = []
    seen: set[int] = set()
    left_out: Counter[str] = Counter()
    read = 0
    for row in rows:
        read += 1
        if isinstance(row, str) or row.is_empty:
            left_out[row if isinstance(row, str) else "empty"] += 1
            continue
        rank = _rank(row, f"{settings.seed}:{side}")
        if rank in seen:
            continue
        seen.add(rank)
        entry = (-rank, row.id, row)
        if len(kept) < settings.most_rows:
            heapq.heappush(kept, entry)
        elif entry[0] > kept[0][0]:
            heapq.heapreplace(kept, entry)
    chosen = _within(settings.most_characters, [row for _, _, row in sorted(kept, reverse=True)])
    return Sampled(
        chosen,
        SampledRows(
            rows=read,
            repeated=read - left_out.total() - len(seen),
            left_out=dict(sorted(left_out.items())),
            compared=len(chosen),
        ),
    )


def without_answers(rows: Sequence[DriftRow]) -> tuple[DriftRow, ...]:
    """Return the rows as they were asked: without what an assistant said."""
    return tuple(
        DriftRow(row.id, tuple(part for part in row.parts if part[0] != ASSISTANT)) for row in rows
    )


def is_text(row: DriftRow) -> bool:
    """Whether a row is raw text."""
    return all(role == TEXT for role, _ in row.parts)


def has_answers(rows: Sequence[DriftRow]) -> bool:
    """Whether any row holds an assistant's message."""
    return any(role == ASSISTANT for row in rows for role, _ in row.parts)


def whole_text(row: DriftRow) -> str:
    """Return all of a row's text."""
    return "\n".join(text for _, text in row.parts)


def asked_text(row: DriftRow) -> str:
    """Return what a language is told by: the user's words, or all where no user speaks."""
    return "\n".join(text for role, text in row.parts if role == "user") or whole_text(row)


def as_sequence(row: DriftRow) -> CorpusSequence:
    """Return a row as a sequence, for what works on those; `with_texts` is the way back."""
    return CorpusSequence(
        id=row.id,
        messages=tuple(
            Message(role="user", content=text) for role, text in row.parts if role != TEXT
        ),
        text="\n".join(text for role, text in row.parts if role == TEXT),
    )


def with_texts(row: DriftRow, sequence: CorpusSequence) -> DriftRow:
    """Return a row with the texts of the sequence that `as_sequence` made of it, and its own roles."""
    texts = iter([message.content for message in sequence.messages])
    return DriftRow(
        row.id,
        tuple((role, sequence.text if role == TEXT else next(texts)) for role, _ in row.parts),
    )


def text_of_answers(row: DriftRow) -> str:
    """Return what the assistant said."""
    return "\n".join(text for role, text in row.parts if role == ASSISTANT)


def text_without_answers(row: DriftRow) -> str:
    """Return everything but what the assistant said."""
    return "\n".join(text for role, text in row.parts if role != ASSISTANT)


def _rank(row: DriftRow, salt: str) -> int:
    content = "".join([salt, *(f"\0{role}\0{len(text)}\0{text}" for role, text in row.parts)])
    hashed = sha256(content.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(hashed[:8])


def _within(most_characters: int, rows: Sequence[DriftRow]) -> tuple[DriftRow, ...]:
    """Return the first rows whose text fits, at least one."""
    total = 0
    for count, row in enumerate(rows):
        total += sum(len(text) for _, text in row.parts)
        if total > most_characters:
            return tuple(rows[: max(1, count)])
    return tuple(rows)


def _parts(row: SourceRow) -> tuple[tuple[str, str], ...]:
    parts = [(TEXT, row.text)]
    for message in row.messages:
        parts.append((str(message["role"]), str(message["content"])))
        if calls := message.get("tool_calls"):
            parts.append((str(message["role"]), _call_text(calls)))
    return tuple(part for part in parts if part[1])


def _call_text(calls: JsonValue) -> str:
    return json.dumps(calls, ensure_ascii=False, sort_keys=True)
