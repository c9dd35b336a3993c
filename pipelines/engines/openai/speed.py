"""How fast a server is with a file, one request at a time: started for each sample, or running already."""

from dataclasses import dataclass

from typing_extensions import override

from quantgate.pipelines.domain.speed import SpeedSample
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.engines.openai.runtime import OpenAiServerRuntime
from quantgate.pipelines.engines.timing.meter import SpeedMeter, SpeedRequest
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.process.calls import OnProgress, RunWorker

_WORKER = "quantgate.pipelines.engines.openai.workers.speed"


@dataclass(frozen=True, slots=True)
class ServerSpeedMeter(SpeedMeter):
    """Times what a server answers, of prompts that are token ids."""

    runtime: OpenAiServerRuntime

    @override
    def source_digest(self) -> Digest:
        return digest_of([source_digest(_WORKER), self.runtime.server.settings_digest])

    @override
    def sample(
        self, request: SpeedRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> SpeedSample:
        context_tokens = len(request.prompt) + request.generated_tokens + 1
        with self.runtime.served(request, request.loadable, context_tokens) as served:
            return run_worker(served.call(_WORKER), SpeedSample, on_progress).value
