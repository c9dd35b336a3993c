"""A comparison is made once and sealed; above the thresholds it leaves an event, sealed as well."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from quantgate.calibration.drift.baseline import Baseline
from quantgate.calibration.drift.compare import LanguagesOf, compare, in_languages
from quantgate.calibration.drift.results import DriftRecord, DriftSettings, TrafficComparison
from quantgate.calibration.drift.rows import DriftRow, sampled, traffic_rows
from quantgate.calibration.drift.tokens import TokenReader
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.sealed import is_sealed, produce_once, read_manifest
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.files.store import Store

EVENT = "calibration.drifted"
"""What the event is called, in the store and in Prefect."""

Redact = Callable[[Sequence[DriftRow]], Sequence[DriftRow]]
"""Replaces personal data in rows; a row stays a row."""

_KEY_LENGTH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRequest:
    """Compare `traffic`, a file that results call `traffic_name`, with a corpus.

    `redact` does to traffic what the corpus's redaction did to its rows, where it was enforced.
    """

    corpus: Corpus
    baseline: Baseline
    traffic: Path
    traffic_name: str
    settings: DriftSettings
    tokens: TokenReader
    languages_of: LanguagesOf
    redact: Redact | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftEvent:
    """Traffic has moved away from a corpus: what a flow needs that builds the next version.

    `id` is the same for the same comparison, so that it counts once however often it is sent. `result` is
    the comparison's key, `alarms` the tests that found drift.
    """

    event: str
    id: str
    occurred: str
    corpus: str
    corpus_name: str
    corpus_digest: Digest
    traffic: str
    traffic_digest: Digest
    result: Digest
    alarms: tuple[str, ...]
    distance: float
    alpha: float


def measure_drift(request: DriftRequest, store: Store) -> DriftRecord:
    """Return the sealed comparison of a corpus with traffic under these settings, made where there is none.

    Raises:
        InputError: where the traffic cannot be read, or a side has too few rows.
    """
    corpus = request.corpus
    traffic_digest = file_digest(request.traffic)
    key = digest_of(
        {
            "corpus": corpus.digest,
            "baseline": request.baseline.key,
            "rules": to_json(request.baseline.rules),
            "traffic": traffic_digest,
            "settings": to_json(request.settings),
            "tokens": request.tokens.name,
            "sources": source_digest(__name__),
        }
    )

    def produce(_: Path) -> DriftRecord:
        return DriftRecord(
            key=key,
            corpus=corpus.label,
            corpus_digest=corpus.digest,
            traffic=request.traffic_name,
            traffic_digest=traffic_digest,
            tokenizer=request.tokens.name,
            compared_at=datetime.now(UTC).isoformat(timespec="seconds"),
            settings=request.settings,
            comparison=_comparison(request),
        )

    return produce_once(drift_folder(corpus.label, key, store), DriftRecord, produce).record


def _comparison(request: DriftRequest) -> TrafficComparison:
    """Compare like with like: traffic goes through the corpus's filters and redaction."""
    rules, settings = request.baseline.rules, request.settings
    rows = traffic_rows(request.traffic, rendering=rules.rendering, filters=rules.filters)
    traffic = sampled(rows, settings, "traffic")
    if languages := rules.filters.languages:
        traffic = in_languages(traffic, languages, request.languages_of)
    if request.redact is not None:
        traffic = replace(traffic, rows=tuple(request.redact(traffic.rows)))
    return compare(
        sampled(request.baseline.rows, settings, "corpus"),
        traffic,
        settings,
        tokens=request.tokens,
        languages_of=request.languages_of,
        notes=request.baseline.notes,
    )


def drift_folder(corpus: str, key: Digest, store: Store) -> Path:
    """Return where a comparison is sealed."""
    return store.root / "drift" / f"{corpus}--{key[:_KEY_LENGTH]}"


def event_of(record: DriftRecord) -> DriftEvent | None:
    """Return the event that a comparison gives rise to; None where there is no drift."""
    comparison = record.comparison
    if not comparison.drifted:
        return None
    return DriftEvent(
        event=EVENT,
        id=str(uuid.uuid5(uuid.NAMESPACE_OID, record.key)),
        occurred=record.compared_at,
        corpus=record.corpus,
        corpus_name=record.corpus.partition("@")[0],
        corpus_digest=record.corpus_digest,
        traffic=record.traffic,
        traffic_digest=record.traffic_digest,
        result=record.key,
        alarms=tuple(test.name for test in comparison.tests if test.alarm),
        distance=comparison.distance,
        alpha=record.settings.alpha,
    )


def seal_event(event: DriftEvent, store: Store) -> Path:
    """Keep an event in the store, once, and return its folder."""
    folder = store.root / "events" / f"{EVENT}--{event.result[:_KEY_LENGTH]}"
    produce_once(folder, DriftEvent, lambda _: event)
    return folder


def sealed_events(store: Store) -> tuple[DriftEvent, ...]:
    """Return the events that a store holds, the oldest first.

    Raises:
        InputError: one of them was edited.
    """
    folders = (store.root / "events").glob(f"{EVENT}--*")
    events = [read_manifest(folder, DriftEvent).record for folder in folders if is_sealed(folder)]
    return tuple(sorted(events, key=lambda event: (event.occurred, event.id)))
