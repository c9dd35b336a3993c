"""Today's traffic held against a corpus, on this machine: the comparison is made once and sealed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from quantgate.calibration.drift.baseline import baseline_of
from quantgate.calibration.drift.compare import refuse_alpha
from quantgate.calibration.drift.results import DriftRecord, DriftSettings
from quantgate.calibration.drift.rows import DriftRow, as_sequence, with_texts
from quantgate.calibration.drift.sealing import (
    DriftRequest,
    Redact,
    event_of,
    measure_drift,
    seal_event,
)
from quantgate.calibration.drift.tokens import CheckpointTokens, TokenReader, WordReader
from quantgate.calibration.redaction.options import RedactionOptions
from quantgate.calibration.redaction.redact import redact
from quantgate.calibration.shelf.sealing import read_sequences
from quantgate.flows.build.corpora.traces import experiment_named, export_traces
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import tools_to_look
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.files.reading import holds_file
from quantgate.pipelines.language.identify import languages_of
from quantgate.pipelines.process.runner import run_worker
from quantgate.registry.traces import PREFIX

_MOST_REDACTED_ROWS = 4000
"""Finding personal data takes a few milliseconds a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficOptions:
    """What a corpus is compared with: a file or `mlflow:EXPERIMENT`, and whose tokens count, words where
    `model` is None.
    """

    traffic: str
    model: str | None = None
    alpha: float = 0.01


def compare_traffic(corpus: Corpus, options: TrafficOptions, settings: Settings) -> DriftRecord:
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
    if not holds_file(path):
        raise InputError(
            "there is no such traffic file",
            where=source,
            next_step=f"name a chat log (.jsonl or .txt), or {PREFIX}EXPERIMENT",
        )
    return path


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
