"""How far traffic was from a corpus, in MLflow: recorded once a comparison, looked up with each variant."""

from collections.abc import Mapping
from dataclasses import dataclass

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import Digest
from quantgate.registry.corpora.experiments import DRIFT, corpus_runs, experiment_of
from quantgate.registry.protocol import RegistryReader
from quantgate.registry.tags import NAMES, FactTag, Spelling, facts_of, tags_of

NO_DRIFT = "no drift"
"""The decision where there is none; the other one is `DRIFT`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusDrift:
    """One comparison of a corpus with traffic.

    `distance` is the largest of its tests' effects, each in units of its threshold: from 1 on it matters.
    `alarms` names the tests that found drift, `compared_at` is UTC in ISO 8601, `key` the comparison's
    identity in the store.
    """

    corpus: str
    corpus_digest: Digest
    traffic: str
    traffic_digest: Digest
    key: Digest
    decision: str
    distance: float
    alarms: tuple[str, ...]
    compared_at: str

    def __str__(self) -> str:
        why = f" in {', '.join(self.alarms)}" if self.alarms else ""
        return (
            f"{self.decision}{why}, {self.distance:.2f} of the threshold, "
            f"{self.traffic} on {self.compared_at[:10]}"
        )


def newest_drift(registry: RegistryReader, corpus: str, digest: str) -> CorpusDrift | None:
    """Return the newest comparison of a corpus (`name@version`) with this digest; None where there is none.

    Raises:
        InputError: where its tags were altered.
    """
    runs = corpus_runs(registry, DRIFT, corpus, digest)
    comparisons = [_from_tags(run.tags, f"run {run.id} of {experiment_of(corpus)}") for run in runs]
    return max(comparisons, key=lambda drift: drift.compared_at, default=None)


_DISTANCE = Spelling(write="{:.6f}".format, read=float)
_TAGS = (
    FactTag("corpus"),
    FactTag("corpus_digest"),
    FactTag("traffic"),
    FactTag("traffic_digest"),
    FactTag("drift_key", "key"),
    FactTag("drift_decision", "decision"),
    FactTag("drift_distance", "distance", spelling=_DISTANCE),
    FactTag("drift_alarms", "alarms", spelling=NAMES),
    FactTag("compared_at"),
)


def to_tags(drift: CorpusDrift) -> dict[str, str]:
    """Return a comparison as tags of its run."""
    return tags_of(_TAGS, drift)


def _from_tags(tags: Mapping[str, str], where: str) -> CorpusDrift:
    try:
        return CorpusDrift(**facts_of(_TAGS, tags))
    except (KeyError, ValueError) as error:
        raise InputError(
            f"its tags were altered ({error})",
            where=where,
            next_step="run `quantgate corpus drift` again",
        ) from error
