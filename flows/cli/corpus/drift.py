"""`quantgate corpus drift`: hold today's traffic against a corpus, keep the result, tell who waits for it."""

from dataclasses import dataclass

from quantgate.calibration.drift.results import DriftRecord
from quantgate.flows.build.corpora.finding import find_corpus
from quantgate.flows.build.corpora.traffic import TrafficOptions, compare_traffic
from quantgate.flows.cli.views.drift import drift_lines
from quantgate.flows.cli.views.printing import print_json
from quantgate.flows.orchestration.events.drift import keep_drift
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.records import to_json

DRIFT_FOUND = 10
"""Exit code where traffic has drifted; 0 where it has not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftOptions:
    """The command line of `quantgate corpus drift`."""

    corpus: str
    traffic: str
    model: str | None = None
    alpha: float = 0.01
    as_json: bool = False

    @property
    def compared(self) -> TrafficOptions:
        """What the corpus is compared with."""
        return TrafficOptions(traffic=self.traffic, model=self.model, alpha=self.alpha)


def drift_command(options: DriftOptions) -> int:
    """Compare, seal, record in MLflow, emit an event where there is drift; return 0 or 10.

    Raises:
        InputError, NotFoundError: corpus or traffic cannot be used.
        ServiceError: MLflow or Prefect did not answer; the result is sealed and shown before they are asked.
    """
    settings = Settings.from_environment()
    corpus = find_corpus(options.corpus, settings)
    record = compare_traffic(corpus, options.compared, settings)
    if options.as_json:
        print_json(as_json(record))
    else:
        print("\n".join(drift_lines(record)))
    keep_drift(record, corpus, settings)
    return DRIFT_FOUND if record.comparison.drifted else 0


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
