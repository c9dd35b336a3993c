"""A meter that measures nothing, and builds that time with it."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from typing_extensions import override

from quantgate.flows.build.local_build import LocalBuild
from quantgate.pipelines.domain.speed import SpeedSample
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.engines.timing.meter import SpeedMeter, SpeedRequest
from quantgate.pipelines.process.calls import OnProgress, RunWorker


@dataclass(kw_only=True)
class FakeMeter(SpeedMeter):
    """Every model is half as large and twice as fast as the base, or as fast as `times` says."""

    base: Path
    asked: list[SpeedRequest] = field(default_factory=list)
    times: dict[str, float] = field(default_factory=dict)

    @override
    def source_digest(self) -> Digest:
        return digest_of("fake")

    @override
    def sample(
        self, request: SpeedRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> SpeedSample:
        self.asked.append(request)
        path = request.loadable.path
        times = 1.0 if path == self.base else self.times.get(path.read_text(), 2.0)
        return SpeedSample(
            prompt_tokens_per_second=100.0 * times,
            generated_tokens_per_second=10.0 * times,
            first_token_seconds=0.5 / times,
            peak_memory_bytes=round(1000 / times),
        )


def metered(build: LocalBuild) -> tuple[LocalBuild, FakeMeter]:
    """Return the build as one that times what answers in llama.cpp, and the meter that it times with."""
    meter = FakeMeter(base=build.bench.base("llamacpp").path)
    tools = replace(build.tools, speed_meters={"llamacpp": meter})
    return replace(build, plan=replace(build.plan, speed=True), tools=tools), meter
