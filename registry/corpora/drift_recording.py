"""Recording a comparison of a corpus with traffic in MLflow."""

from collections.abc import Mapping
from pathlib import Path

from quantgate.pipelines.domain.corpus import Corpus
from quantgate.registry.corpora.drift import CorpusDrift, to_tags
from quantgate.registry.corpora.experiments import DRIFT
from quantgate.registry.corpora.runs import CorpusRun, corpus_input, log_once
from quantgate.registry.opening import open_mlflow
from quantgate.registry.protocol import DatasetInput, OpenRegistry, RunContent
from quantgate.registry.recording.receipts import Receipt
from quantgate.registry.tracking import Tracking


def record_drift(
    drift: CorpusDrift,
    corpus: Corpus,
    metrics: Mapping[str, float],
    tracking: Tracking,
    *,
    files: tuple[Path, ...] = (),
    open_registry: OpenRegistry = open_mlflow,
) -> Receipt:
    """Record a comparison in MLflow, once, and return where it stands.

    Raises:
        ServiceError: MLflow did not answer or refused.
    """
    traffic = DatasetInput(
        role="traffic", name=drift.traffic, sha256=drift.traffic_digest, source=drift.traffic
    )
    run = CorpusRun(
        corpus=drift.corpus,
        kind=DRIFT,
        name=f"{drift.corpus} against {drift.traffic}",
        key=drift.key,
        decision=drift.decision,
        tags=to_tags(drift),
        content=RunContent(
            parameters={"corpus": drift.corpus, "traffic": drift.traffic},
            metrics={"distance": drift.distance, **metrics},
            inputs=(corpus_input(corpus), traffic),
        ),
        files=files,
    )
    return log_once(run, tracking, open_registry=open_registry)
