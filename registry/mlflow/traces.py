"""MLflow's traces, behind the `TraceSource` protocol."""

import json
from collections.abc import Iterator
from time import time  # noqa: TID251 - MLflow takes the time of day
from typing import Any

from typing_extensions import override

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.specs.loading import did_you_mean
from quantgate.registry.mlflow.client import MlflowRegistry
from quantgate.registry.mlflow.connection import translated
from quantgate.registry.traces.conversations import Span, Trace, TraceSource

_PAGE = 100
_SESSION = "mlflow.trace.session"
_EXPERIMENTS_SHOWN = 1000


class MlflowTraces(MlflowRegistry, TraceSource):
    """A `TraceSource` over the same client. What is traced while it reads is left for the next time."""

    @override
    def traces(self, experiment: str) -> Iterator[Trace]:
        for trace in self._pages(experiment, include_spans=True):
            yield _trace(trace)

    @override
    def trace_count(self, experiment: str) -> int:
        return sum(1 for _ in self._pages(experiment, include_spans=False))

    def _pages(self, experiment: str, *, include_spans: bool) -> Iterator[Any]:
        home = self._experiment_id(experiment)
        until = int(time() * 1000)
        token = None
        while True:
            with translated(self._tracking):
                page = self._client.search_traces(
                    locations=[home],
                    filter_string=f"attributes.timestamp_ms <= {until}",
                    max_results=_PAGE,
                    order_by=["timestamp_ms ASC"],
                    page_token=token,
                    include_spans=include_spans,
                )
            yield from page
            token = page.token
            if not token:
                return

    def _experiment_id(self, experiment: str) -> str:
        with translated(self._tracking):
            home = self._client.get_experiment_by_name(experiment)
            if home is not None:
                return str(home.experiment_id)
            others = self._client.search_experiments(max_results=_EXPERIMENTS_SHOWN)
        if experiment in [str(other.experiment_id) for other in others]:
            return experiment
        names = sorted(other.name for other in others)
        raise InputError(
            f"MLflow has no experiment '{experiment}'{did_you_mean(experiment, names)}",
            where=self._tracking.shown,
            next_step=f"name one of: {', '.join(names[:20])}",
        )


def _trace(trace: Any) -> Trace:
    return Trace(
        id=str(trace.info.trace_id),
        session=str(trace.info.trace_metadata.get(_SESSION, "")),
        succeeded=str(trace.info.state.value) == "OK",
        spans=tuple(
            Span(
                type=str(span.span_type),
                is_root=span.parent_id is None,
                inputs=_plain(span.inputs),
                outputs=_plain(span.outputs),
            )
            for span in trace.data.spans
        ),
    )


def _plain(value: object) -> Any:
    """Return JSON values; what is none is written as text."""
    return json.loads(json.dumps(value, default=str))
