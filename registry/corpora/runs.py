"""What MLflow holds of a calibration corpus: finished runs in an experiment of its own, each logged once."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.files.locks import exclusive
from quantgate.pipelines.files.temporary import temporary_folder
from quantgate.registry.corpora.experiments import KIND, experiment_of
from quantgate.registry.opening import open_mlflow
from quantgate.registry.protocol import DatasetInput, OpenRegistry, RunContent
from quantgate.registry.recording.proofs import still_recorded
from quantgate.registry.recording.receipts import Receipt, find_receipt, write_receipt
from quantgate.registry.tracking import Tracking

_LONGEST_TAG = 5000
"""MLflow refuses longer ones on a server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusRun:
    """One run to be logged. `key` is its identity: the same key is logged once.

    `files` are copied into the run.
    """

    corpus: str
    kind: str
    name: str
    key: Digest
    decision: str
    tags: Mapping[str, str]
    content: RunContent
    files: tuple[Path, ...] = ()


def corpus_input(corpus: Corpus) -> DatasetInput:
    """Return a corpus as the dataset that runs have as their input, found by `dataset.digest`."""
    return DatasetInput(
        role="calibration", name=corpus.label, sha256=corpus.digest, source=str(corpus.folder)
    )


def log_once(
    run: CorpusRun, tracking: Tracking, *, open_registry: OpenRegistry = open_mlflow
) -> Receipt:
    """Log a run, or return the receipt that says where it stands; what was interrupted is completed.

    Raises:
        ServiceError: MLflow did not answer or refused.
    """
    receipt = find_receipt(run.key, tracking)
    if receipt is not None and still_recorded(receipt, tracking):
        return receipt
    with exclusive(tracking.store.root / "registry.lock"):
        registry = open_registry(tracking)
        experiment_id = registry.experiment(experiment_of(run.corpus))
        recorded = registry.find_run(experiment_id, run.key)
        if recorded is None:
            recorded = registry.start_run(experiment_id, run.name, _tags(run))
        if not recorded.finished:
            with temporary_folder() as work:
                for file in run.files:
                    shutil.copyfile(file, work / file.name)
                registry.fill_run(recorded.id, run.content, work)
            registry.finish_run(recorded.id)
        receipt = _receipt(run, tracking, experiment_id, recorded.id)
        write_receipt(receipt, tracking)
    return receipt


def _tags(run: CorpusRun) -> dict[str, str]:
    tags = {KIND: run.kind, "corpus": run.corpus, "evidence_key": run.key}
    tags |= {"mlflow.source.name": "quantgate", "mlflow.source.type": "LOCAL"}
    return tags | {name: value[:_LONGEST_TAG] for name, value in run.tags.items()}


def _receipt(run: CorpusRun, tracking: Tracking, experiment_id: str, run_id: str) -> Receipt:
    """No version stands for it and no alias points at it."""
    return Receipt(
        uri=tracking.shown,
        evidence_key=run.key,
        version_key="",
        scope="",
        decision=run.decision,
        model=experiment_of(run.corpus),
        alias="",
        experiment_id=experiment_id,
        run_id=run_id,
        version=None,
    )
