"""`quantgate corpus drift`: hold today's traffic against a corpus, keep the result, tell who waits for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from quantgate.calibration.drift.baseline import baseline_of
from quantgate.calibration.drift.compare import refuse_alpha
from quantgate.calibration.drift.results import DriftRecord, DriftSettings
from quantgate.calibration.drift.rows import DriftRow, as_sequence, with_texts
from quantgate.calibration.drift.sealing import (
    DriftRequest,
    Redact,
    drift_folder,
    event_of,
    measure_drift,
    seal_event,
)
from quantgate.calibration.drift.tokens import CheckpointTokens, TokenReader, WordReader
from quantgate.calibration.redaction.options import RedactionOptions
from quantgate.calibration.redaction.redact import redact
from quantgate.calibration.shelf.sealing import read_sequences
from quantgate.flows.build.corpora.traces import PREFIX, experiment_named, export_traces
from quantgate.flows.cli.corpus.corpora import find_corpus
from quantgate.flows.cli.views.drift import drift_lines
from quantgate.flows.cli.views.printing import print_json
from quantgate.flows.orchestration.events.drift import emit
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import tools_to_look
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.sealed import MANIFEST
from quantgate.pipelines.language.identify import languages_of
from quantgate.pipelines.process.runner import run_worker
from quantgate.registry import Tracking, record_drift
from quantgate.registry.corpora.drift import NO_DRIFT, CorpusDrift
from quantgate.registry.corpora.experiments import DRIFT
from quantgate.registry.opening import open_mlflow
from quantgate.registry.protocol import OpenRegistry

DRIFT_FOUND = 10
"""Exit code where traffic has drifted; 0 where it has not."""

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
    settings = Settings.from_environment()
    corpus = find_corpus(options.corpus, settings)
    record = compare_traffic(corpus, options, settings)
    if options.as_json:
        print_json(as_json(record))
    else:
        print("\n".join(drift_lines(record)))
    keep(record, corpus, settings)
    return DRIFT_FOUND if record.comparison.drifted else 0


def compare_traffic(corpus: Corpus, options: DriftOptions, settings: Settings) -> DriftRecord:
    """Return the sealed comparison, made where there is none; drift is sealed as an event as well."""
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
    record: DriftRecord,
    corpus: Corpus,
    settings: Settings,
    *,
    open_registry: OpenRegistry | None = None,
) -> None:
    """Record a comparison in MLflow, and send its event to a Prefect server that is configured or runs.

    Raises:
        ServiceError: MLflow or Prefect did not answer; the same command again completes what is missing.
    """
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


def registered(record: DriftRecord) -> CorpusDrift:
    """Return a comparison as the registry shows it beside each variant."""
    comparison = record.comparison
    return CorpusDrift(
        corpus=record.corpus,
        corpus_digest=record.corpus_digest,
        traffic=record.traffic,
        traffic_digest=record.traffic_digest,
        key=record.key,
        decision=DRIFT if comparison.drifted else NO_DRIFT,
        distance=comparison.distance,
        alarms=tuple(test.name for test in comparison.tests if test.alarm),
        compared_at=record.compared_at,
    )


def metrics(record: DriftRecord) -> Mapping[str, float]:
    """Return the numbers that a run in MLflow holds."""
    comparison = record.comparison
    numbers = {
        "corpus_rows": float(comparison.corpus_rows.compared),
        "traffic_rows": float(comparison.traffic_rows.compared),
    }
    for test in comparison.tests:
        numbers[f"{test.name}/effect"] = test.effect
        numbers[f"{test.name}/threshold"] = test.threshold
        numbers[f"{test.name}/adjusted_p"] = test.adjusted_p
    return numbers


def as_json(record: DriftRecord) -> JsonObject:
    """Return a comparison as `--json` prints it: the sealed record with the decision and the effects."""
    comparison = record.comparison
    sealed = to_json(record)
    assert isinstance(sealed, dict)
    return {
        "drift": comparison.drifted,
        "distance": comparison.distance,
        "effects": {test.name: test.effect for test in comparison.tests},
        **sealed,
    }


def _redaction(options: RedactionOptions, settings: Settings) -> Redact:
    """Return what does to traffic what was done to the corpus, so that placeholders are no drift."""

    def redacted(rows: Sequence[DriftRow]) -> Sequence[DriftRow]:
        folder = settings.store.root / "redactions"
        outcome = redact(map(as_sequence, rows), options, run_worker=run_worker, folder=folder)
        return [with_texts(*pair) for pair in zip(rows, outcome.sequences, strict=True)]

    return redacted


def _tokens(model: str | None, settings: Settings) -> TokenReader:
    if model is None:
        return WordReader()
    checkpoint = resolve_checkpoint(
        model,
        name=None,
        store=settings.store,
        hub=settings.hub,
        tools=tools_to_look(settings),
    )
    digest = checkpoint.digests.tokenizer
    return CheckpointTokens(
        f"{checkpoint.name}'s ({digest[:12]})", ChatFormat.of(checkpoint.folder).tokenizer
    )
