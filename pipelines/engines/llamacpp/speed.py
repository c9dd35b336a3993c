"""How fast llama.cpp is with a GGUF, one request at a time, in a process of its own."""

from typing_extensions import override

from quantgate.pipelines.domain.speed import SpeedSample
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.engines.timing.meter import SpeedMeter, SpeedRequest
from quantgate.pipelines.engines.worker_calls import call_of
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.process.calls import OnProgress, RunWorker

_WORKER = "quantgate.pipelines.engines.llamacpp.workers.speed"


class LlamaCppSpeedMeter(SpeedMeter):
    """Times GGUF files."""

    @override
    def source_digest(self) -> Digest:
        return source_digest(_WORKER)

    @override
    def sample(
        self, request: SpeedRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> SpeedSample:
        return run_worker(call_of(_WORKER, request), SpeedSample, on_progress).value
