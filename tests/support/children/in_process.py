"""A `RunWorker` that calls corpus workers' functions in this process, through JSON as a child would."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from quantgate.calibration.drawing.fetching import fetch_rows
from quantgate.calibration.drawing.parts import FetchCall, OutlineCall, ScanCall
from quantgate.calibration.drawing.scanning import scan
from quantgate.pipelines.files.records import from_json, to_json
from quantgate.pipelines.process.calls import OnProgress, Reply, WorkerCall, WorkerReply


def _outline(call: OutlineCall, on_progress: OnProgress) -> object:
    from quantgate.calibration.workers.outline import outline

    return outline(call, on_progress)


_WORKERS: dict[str, tuple[Callable[[Any, OnProgress], object], type]] = {
    "quantgate.calibration.workers.scan": (scan, ScanCall),
    "quantgate.calibration.workers.fetch": (fetch_rows, FetchCall),
    "quantgate.calibration.workers.outline": (_outline, OutlineCall),
}


@dataclass
class InProcess:
    """Runs workers here; `calls` lists what was asked."""

    calls: list[object] = field(default_factory=list)

    def __call__(
        self, call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
    ) -> WorkerReply[Reply]:
        """Call the worker's function and pass request and reply through JSON."""
        handle, request_type = _WORKERS[call.module]
        request: object = from_json(request_type, to_json(call.request))
        self.calls.append(request)
        reply = to_json(handle(request, on_progress))
        return WorkerReply(value=from_json(reply_type, reply), seconds=0.0, peak_memory_bytes=0)
