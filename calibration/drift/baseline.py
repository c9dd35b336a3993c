"""What traffic is held against: the rows of a corpus as they would be had its mix not been chosen.

A corpus is a seeded sample of past traffic, so its rows are what traffic is compared with. Where its spec
weighted sources, languages, domains or lengths, its shares are a decision and say nothing of the traffic.
Its data card counts how many rows the sources had of each value; rows get weights that bring the corpus's
shares back to those (raking: Deming and Stephan, "On a least squares adjustment of a sampled frequency
table", Annals of Mathematical Statistics 11, 1940), and each is kept with a probability in proportion
to its weight. What is left is an unweighted sample again, so the permutation tests stay exact.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from quantgate.calibration.drift.rows import DriftRow, corpus_rows
from quantgate.calibration.redaction.options import RedactionOptions
from quantgate.calibration.specs.corpus import OTHER, Filters
from quantgate.pipelines.domain.corpus import Corpus, CorpusSequence
from quantgate.pipelines.domain.values import JsonObject, JsonValue, digest_of
from quantgate.pipelines.files.records import from_json

_CARD = "card.json"
_MANIFEST = "manifest.json"
_ROUNDS = 100
_CLOSE = 1e-9

Margins = Mapping[str, Mapping[str, int]]
"""Rows that the sources had, by dimension (`source`, `language`, `domain`, `length`) and value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRules:
    """What a corpus's spec did to each row: traffic has to go through the same before it is compared."""

    rendering: str = "chat"
    filters: Filters = field(default_factory=Filters)
    redaction: RedactionOptions = field(default_factory=RedactionOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The rows that traffic is held against, what traffic goes through, and what is to be said of both.

    `key` names how the rows came of the corpus, as a part of a comparison's identity.
    """

    rows: tuple[DriftRow, ...]
    rules: RowRules = field(default_factory=RowRules)
    key: str = "as it is"
    notes: tuple[str, ...] = ()


def baseline_of(corpus: Corpus, sequences: Sequence[CorpusSequence], seed: int) -> Baseline:
    """Return the baseline of a sealed corpus; one without a data card is taken as it is."""
    card, record = _document(corpus, _CARD), _document(corpus, _MANIFEST).get("record")
    rules = _rules(card, record if isinstance(record, dict) else {})
    margins, unknown = _margins(card)
    notes = [
        f"the shares of its {dimension}s were chosen and those of its sources are not known: "
        "a difference in them may be that choice"
        for dimension in unknown
    ]
    if not margins:
        rows = tuple(corpus_rows(sequences))
        return Baseline(rows=rows, rules=rules, notes=tuple(notes))
    kept = thinned(sequences, margins, seed)
    notes.append(
        f"its mix by {', '.join(margins)} was weighted: {len(kept):,} of {len(sequences):,} rows, drawn in "
        "the proportions its sources had, stand for it"
    )
    return Baseline(
        rows=tuple(corpus_rows(kept)),
        rules=rules,
        key=digest_of({dimension: dict(margin) for dimension, margin in margins.items()}),
        notes=tuple(notes),
    )


def thinned(
    sequences: Sequence[CorpusSequence], margins: Margins, seed: int
) -> tuple[CorpusSequence, ...]:
    """Return the rows that a draw in the sources' proportions keeps; the same rows every time.

    Values that the corpus has no row of cannot be brought back.
    """
    weights = raked(
        [
            tuple(_value(sequence, name, margins[name]) for name in margins)
            for sequence in sequences
        ],
        [margins[name] for name in margins],
    )
    largest = max(weights, default=1.0)
    return tuple(
        sequence
        for sequence, weight in zip(sequences, weights, strict=True)
        if _uniform(sequence, seed) * largest < weight
    )


def raked(
    cells: Sequence[tuple[str, ...]], margins: Sequence[Mapping[str, int]]
) -> tuple[float, ...]:
    """Return a weight per row, such that the weighted shares of each dimension's values are its margin's.

    `cells` has each row's value in every dimension. Rows of a value that its margin lacks weigh nothing.
    """
    weights = [1.0] * len(cells)
    for _ in range(_ROUNDS):
        largest = 0.0
        for dimension, margin in enumerate(margins):
            held: dict[str, float] = {}
            for cell, weight in zip(cells, weights, strict=True):
                held[cell[dimension]] = held.get(cell[dimension], 0.0) + weight
            targets = {
                value: margin.get(value, 0) for value, weight in held.items() if weight > 0.0
            }
            whole, total = sum(targets.values()), sum(held.values())
            if not whole:
                return tuple(weights)
            factors = {
                value: count / whole * total / held[value] for value, count in targets.items()
            }
            weights = [
                weight * factors.get(cell[dimension], 0.0)
                for cell, weight in zip(cells, weights, strict=True)
            ]
            largest = max([largest, *(abs(factor - 1.0) for factor in factors.values() if factor)])
        if largest < _CLOSE:
            break
    return tuple(weights)


def _rules(card: JsonObject, record: JsonObject) -> RowRules:
    """Older seals lack some of it: then there was none, but for the redaction in the card's report."""
    report = card.get("redaction")
    reported = report.get("options") if isinstance(report, dict) else None
    filters, redaction = record.get("filters"), record.get("redaction") or reported
    return RowRules(
        rendering=str(card.get("rendering", "chat")),
        filters=from_json(Filters, filters) if filters else Filters(),
        redaction=from_json(RedactionOptions, redaction) if redaction else RedactionOptions(),
    )


def _margins(card: JsonObject) -> tuple[dict[str, dict[str, int]], tuple[str, ...]]:
    """Return the sources' rows by mixed dimension, and the mixed dimensions of which they are not known."""
    margins: dict[str, dict[str, int]] = {}
    unknown: list[str] = []
    rows = _objects(card.get("mix"))
    for dimension in dict.fromkeys(str(row["dimension"]) for row in rows):
        mixed = [row for row in rows if row["dimension"] == dimension]
        counts = {str(row["value"]): _count(row.get("available")) for row in mixed}
        if not any(counts.values()) and dimension == "source":
            counts = _by_source(card)
        if any(counts.values()):
            margins[dimension] = counts
        else:
            unknown.append(dimension)
    return margins, tuple(unknown)


def _by_source(card: JsonObject) -> dict[str, int]:
    """Return each source's rows less those that filters dropped."""
    counts = {}
    for source in _objects(card.get("sources")):
        dropped = source.get("dropped")
        lost = sum(map(_count, dropped.values())) if isinstance(dropped, dict) else 0
        counts[str(source["name"])] = _count(source.get("rows")) - lost
    return counts


def _value(sequence: CorpusSequence, dimension: str, values: Mapping[str, int]) -> str:
    if dimension == "length":
        characters = len(sequence.text) + sum(len(message.content) for message in sequence.messages)
        return next((name for name in values if _within(characters, name)), OTHER)
    value = str(getattr(sequence, dimension))
    return value if value in values else OTHER


def _within(characters: int, name: str) -> bool:
    low, _, high = name.partition("-")
    return int(low) <= characters and (not high or characters < int(high))


def _uniform(sequence: CorpusSequence, seed: int) -> float:
    """Return a number in [0, 1) that depends on nothing but the seed and the row."""
    hashed = sha256(f"{seed}:thinned:{sequence.source}:{sequence.id}".encode()).digest()
    return int.from_bytes(hashed[:7]) / (1 << 56)


def _document(corpus: Corpus, name: str) -> JsonObject:
    path = corpus.folder / name
    document = json.loads(path.read_bytes()) if path.is_file() else {}
    return document if isinstance(document, dict) else {}


def _objects(value: JsonValue) -> list[JsonObject]:
    return (
        [element for element in value if isinstance(element, dict)]
        if isinstance(value, list)
        else []
    )


def _count(value: JsonValue) -> int:
    return value if isinstance(value, int) else 0
