"""Drift told: recorded in MLflow beside each variant, and sent to a Prefect server that is there."""

from collections.abc import Mapping

from quantgate.calibration.drift.results import DriftRecord
from quantgate.calibration.drift.sealing import DriftEvent, drift_folder, event_of
from quantgate.flows.orchestration.events.happenings import PREFIX, Happening
from quantgate.flows.orchestration.events.sending import emit
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.sealed import MANIFEST
from quantgate.registry import Tracking, record_drift
from quantgate.registry.corpora.drift import NO_DRIFT, CorpusDrift
from quantgate.registry.corpora.experiments import DRIFT
from quantgate.registry.opening import open_mlflow
from quantgate.registry.protocol import OpenRegistry


def keep_drift(
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
        emit(drifted(event), settings)
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


def drifted(event: DriftEvent) -> Happening:
    """Return a corpus's drift."""
    payload = to_json(event)
    assert isinstance(payload, dict)
    return Happening(
        event=event.event,
        id=event.id,
        occurred=event.occurred,
        resource=f"{PREFIX}.corpus.{event.corpus_name}",
        name=event.corpus,
        labels={"corpus_digest": event.corpus_digest},
        payload=payload,
    )
