"""Corpora in MLflow: each sealed version is a dataset with its own digest, described by its data card."""

import re
from collections.abc import Mapping
from pathlib import Path

from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.values import digest_of
from quantgate.registry.corpora.experiments import CORPUS
from quantgate.registry.corpora.runs import CorpusRun, corpus_input, log_once
from quantgate.registry.opening import open_mlflow
from quantgate.registry.protocol import OpenRegistry, RunContent
from quantgate.registry.recording.receipts import Receipt
from quantgate.registry.tracking import Tracking

_NOT_IN_NAMES = re.compile(r"[^\w\-. /]")
"""What MLflow refuses in the names of tags and metrics."""


def record_corpus(
    corpus: Corpus,
    tracking: Tracking,
    *,
    card: Mapping[str, str | int | float] | None = None,
    files: tuple[Path, ...] = (),
    open_registry: OpenRegistry = open_mlflow,
) -> Receipt:
    """Record a sealed corpus in MLflow and return where it stands; the same content is recorded once.

    The run has the corpus as a dataset whose digest is its own (MLflow keeps 36 characters of it; the whole
    sha256 is the tag `corpus_digest`). What the data card says becomes tags `card.<name>`, numbers also
    metrics; `files` (the card itself) go along, the sequences do not.

    Raises:
        ServiceError: MLflow did not answer or refused.
    """
    said = {"sequences": corpus.sequence_count, **(card or {})}
    said = {_NOT_IN_NAMES.sub("_", name): value for name, value in said.items()}
    numbers = {name: float(v) for name, v in said.items() if isinstance(v, int | float)}
    run = CorpusRun(
        corpus=corpus.label,
        kind=CORPUS,
        name=corpus.label,
        key=digest_of([CORPUS, corpus.label, corpus.digest]),
        decision=CORPUS,
        tags={
            "corpus_digest": corpus.digest,
            "corpus_name": corpus.name,
            "corpus_version": str(corpus.version),
            **{f"card.{name}": str(value) for name, value in said.items()},
        },
        content=RunContent(
            parameters={"corpus": corpus.label}, metrics=numbers, inputs=(corpus_input(corpus),)
        ),
        files=files,
    )
    return log_once(run, tracking, open_registry=open_registry)
