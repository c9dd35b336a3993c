"""What MLflow holds of calibration corpora: an experiment for each, whose runs are of two kinds."""

from quantgate.registry.protocol import RegistryReader, TaggedRun
from quantgate.registry.tags import NONE

KIND = "kind"
"""Tag that says what a run of a corpus's experiment is."""

CORPUS = "corpus"
"""The kind of a run that describes a sealed version."""

DRIFT = "drift"
"""The kind of a run that holds a comparison with traffic; also that it found drift."""


def experiment_of(corpus: str) -> str:
    """Return the experiment of a corpus, by its name or `name@version`; no model's can be called so."""
    return f"corpora/{corpus.partition('@')[0]}"


def corpus_runs(
    registry: RegistryReader, kind: str, corpus: str, digest: str
) -> tuple[TaggedRun, ...]:
    """Return the runs of a kind about a corpus (`name` or `name@version`) of this digest, newest first."""
    if NONE in (corpus, digest):
        return ()
    return registry.tagged_runs(experiment_of(corpus), {KIND: kind, "corpus_digest": digest})


def recorded_corpus(registry: RegistryReader, corpus: str, digest: str) -> TaggedRun | None:
    """Return the run that describes a corpus (`name@version`) of this digest, if it was recorded."""
    runs = corpus_runs(registry, CORPUS, corpus, digest)
    return next((run for run in runs if run.tags["corpus"] == corpus), None)


def card_line(run: TaggedRun) -> str:
    """Return what the card of a recorded corpus says, in one line."""
    said = {
        name.removeprefix("card."): value
        for name, value in sorted(run.tags.items())
        if name.startswith("card.")
    }
    return ", ".join(f"{name} {value}" for name, value in said.items())
