"""`quantgate corpus drift`: hold today's traffic against a corpus, keep the result, tell who waits for it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from quantgate.flows.build.corpora.traces import PREFIX, experiment_named, export_traces
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.records import to_json

if TYPE_CHECKING:
    from quantgate.calibration.drift.results import DriftRecord, TestResult
    from quantgate.calibration.drift.rows import Row
    from quantgate.calibration.drift.sealing import Redact
    from quantgate.calibration.drift.tokens import TokenReader
    from quantgate.calibration.redaction.options import RedactionOptions
    from quantgate.pipelines.domain.corpus import Corpus
    from quantgate.registry.corpora.drift import CorpusDrift
    from quantgate.registry.protocol import OpenRegistry

DRIFT_FOUND = 10
"""Exit code where traffic has drifted; 0 where it has not."""

_SHIFTS_SHOWN = 5
_MOST_REDACTED_ROWS = 4000
"""Finding personal data takes a few milliseconds a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftOptions:
    """The command line of `quantgate corpus drift`."""

    corpus: str
    traffic: str
    model: str | None = None
    alpha: float = 0.01
    as_json: bool = False


def drift_command(options: DriftOptions) -> int:
    """Compare, seal, record in MLflow, emit an event where there is drift; return 0 or 10.

    Raises:
        InputError, NotFoundError: corpus or traffic cannot be used.
        ServiceError: MLflow or Prefect did not answer; the result is sealed and shown before they are asked.
    """
    from quantgate.flows.cli.corpus import find_corpus

    settings = Settings.from_environment()
    corpus = find_corpus(options.corpus, settings)
    record = compare_traffic(corpus, options, settings)
    if options.as_json:
        print(json.dumps(as_json(record), indent=1, ensure_ascii=False))
    else:
        print("\n".join(lines(record)))
    keep(record, corpus, settings)
    return DRIFT_FOUND if record.comparison.drifted else 0


def compare_traffic(corpus: "Corpus", options: DriftOptions, settings: Settings) -> "DriftRecord":
    """Return the sealed comparison, made where there is none; drift is sealed as an event as well."""
    from quantgate.calibration.drift.baseline import baseline_of
    from quantgate.calibration.drift.compare import refuse_alpha
    from quantgate.calibration.drift.results import DriftSettings
    from quantgate.calibration.drift.sealing import (
        DriftRequest,
        event_of,
        measure_drift,
        seal_event,
    )
    from quantgate.calibration.shelf.assemble import read_sequences
    from quantgate.pipelines.language.identify import languages_of

    refuse_alpha(options.alpha)
    asked = DriftSettings(alpha=options.alpha)
    baseline = baseline_of(corpus, read_sequences(corpus), asked.seed)
    redacted = baseline.rules.redaction.mode == "enforce"
    request = DriftRequest(
        corpus=corpus,
        baseline=baseline,
        traffic=traffic_file(options.traffic, settings),
        traffic_name=options.traffic,
        settings=replace(asked, most_rows=_MOST_REDACTED_ROWS) if redacted else asked,
        tokens=_tokens(options.model, settings),
        languages_of=languages_of,
        redact=_redaction(baseline.rules.redaction, settings) if redacted else None,
    )
    record = measure_drift(request, settings.store)
    if event := event_of(record):
        seal_event(event, settings.store)
    return record


def traffic_file(source: str, settings: Settings) -> Path:
    """Return the file behind `--traffic`: itself, or the export of an MLflow experiment's traces.

    Raises:
        InputError: there is no such file or experiment.
        ServiceError: MLflow did not answer.
    """
    experiment = experiment_named(source)
    if experiment is not None:
        return export_traces(experiment, settings)
    path = Path(source)
    if not path.is_file():
        raise InputError(
            "there is no such traffic file",
            where=source,
            next_step=f"name a chat log (.jsonl or .txt), or {PREFIX}EXPERIMENT",
        )
    return path


def keep(
    record: "DriftRecord",
    corpus: "Corpus",
    settings: Settings,
    *,
    open_registry: "OpenRegistry | None" = None,
) -> None:
    """Record a comparison in MLflow, and send its event to a Prefect server that is configured or runs.

    Raises:
        ServiceError: MLflow or Prefect did not answer; the same command again completes what is missing.
    """
    from quantgate.calibration.drift.sealing import drift_folder, event_of
    from quantgate.flows.orchestration.drift_events import emit
    from quantgate.pipelines.files.sealed import MANIFEST
    from quantgate.registry import Tracking, record_drift
    from quantgate.registry.opening import open_mlflow

    if event := event_of(record):
        emit(event, settings)
    folder = drift_folder(record.corpus, record.key, settings.store)
    record_drift(
        registered(record),
        corpus,
        metrics(record),
        Tracking.resolve(settings.store, uri=settings.tracking_uri),
        files=(folder / MANIFEST,),
        open_registry=open_registry or open_mlflow,
    )


def registered(record: "DriftRecord") -> "CorpusDrift":
    """Return a comparison as the registry shows it beside each variant."""
    from quantgate.registry.corpora.drift import NO_DRIFT, CorpusDrift
    from quantgate.registry.corpora.experiments import DRIFT

    found = record.comparison
    return CorpusDrift(
        corpus=record.corpus,
        corpus_digest=record.corpus_digest,
        traffic=record.traffic,
        traffic_digest=record.traffic_digest,
        key=record.key,
        decision=DRIFT if found.drifted else NO_DRIFT,
        distance=found.distance,
        alarms=tuple(test.name for test in found.tests if test.alarm),
        compared_at=record.compared_at,
    )


def metrics(record: "DriftRecord") -> Mapping[str, float]:
    """Return the numbers that a run in MLflow holds."""
    found = record.comparison
    numbers = {
        "corpus_rows": float(found.corpus_rows.compared),
        "traffic_rows": float(found.traffic_rows.compared),
    }
    for test in found.tests:
        numbers[f"{test.name}/effect"] = test.effect
        numbers[f"{test.name}/threshold"] = test.threshold
        numbers[f"{test.name}/adjusted_p"] = test.adjusted_p
    return numbers


def as_json(record: "DriftRecord") -> dict[str, object]:
    """Return a comparison as `--json` prints it: the sealed record with the decision and the effects."""
    found = record.comparison
    effects = {test.name: test.effect for test in found.tests}
    decision = {"drift": found.drifted, "distance": found.distance, "effects": effects}
    return {**decision, **dict(to_json(record))}  # type: ignore[arg-type]  # a record is an object


def lines(record: "DriftRecord") -> Iterator[str]:
    """Yield a comparison as people read it: the decision first, then each test and what moved."""
    found = record.comparison
    decision = "has drifted away from" if found.drifted else "is still what went into"
    yield f"{record.traffic} {decision} corpus {record.corpus}"
    for side, rows in (("corpus", found.corpus_rows), ("traffic", found.traffic_rows)):
        counts = {"repeated": rows.repeated, **rows.left_out}
        left = "".join(f", {count:,} {reason}" for reason, count in counts.items() if count)
        yield f"  {side:<8} {rows.compared:,} rows compared of {rows.rows:,}{left}"
    for note in found.notes:
        yield f"  note: {note}"
    for test in found.tests:
        yield from _test_lines(test)
    if found.drifted:
        yield f"  farthest rows: {', '.join(found.far_rows)}"
    yield (
        f"  drift is an effect above its threshold with p at most {record.settings.alpha:g} after Holm; "
        f"tokens are {record.tokenizer}"
    )


def _test_lines(test: "TestResult") -> Iterator[str]:
    sign = "DRIFT" if test.alarm else "-"
    yield (
        f"  {sign:<5} {test.name:<10} effect {test.effect:.4f} {test.unit} "
        f"(threshold {test.threshold:g}), p {test.adjusted_p:.4g}"
    )
    if test.alarm or test.unit == "octaves":
        moved = [_shift(test, *shown) for shown in _shown(test)]
        if moved:
            yield f"        {'; '.join(moved)}"


def _shown(test: "TestResult") -> list[tuple[str, float, float]]:
    return [(shift.what, shift.before, shift.after) for shift in test.shifts[:_SHIFTS_SHOWN]]


def _shift(test: "TestResult", what: str, before: float, after: float) -> str:
    if test.unit == "octaves":
        return f"{what} {before:.0f} -> {after:.0f} tokens"
    return f"{what!r} {100 * before:.2f} % -> {100 * after:.2f} %"


def _redaction(options: "RedactionOptions", settings: Settings) -> "Redact":
    """Return what does to traffic what was done to the corpus, so that placeholders are no drift."""

    def redacted(rows: "Sequence[Row]") -> "Sequence[Row]":
        from quantgate.calibration.drift.rows import as_sequence, with_texts
        from quantgate.calibration.redaction.redact import redact
        from quantgate.pipelines.process.runner import run_worker

        folder = settings.store.root / "redactions"
        found = redact(map(as_sequence, rows), options, run_worker=run_worker, folder=folder)
        return [with_texts(*pair) for pair in zip(rows, found.sequences, strict=True)]

    return redacted


def _tokens(model: str | None, settings: Settings) -> "TokenReader":
    from quantgate.calibration.drift.tokens import CheckpointTokens, Words

    if model is None:
        return Words()
    from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
    from quantgate.pipelines.evaluation.chat import ChatFormat

    checkpoint = resolve_checkpoint(model, name=None, store=settings.store, hub=settings.hub)
    digest = checkpoint.digests.tokenizer
    return CheckpointTokens(
        f"{checkpoint.name}'s ({digest[:12]})", ChatFormat.of(checkpoint.folder).tokenizer
    )
