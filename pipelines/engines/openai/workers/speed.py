"""Child process: how fast a server answers one request at a time, told by when its stream's events come."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.domain.server import UNKNOWN
from quantgate.pipelines.domain.speed import SpeedSample
from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.openai.answers import Completions
from quantgate.pipelines.engines.openai.messages import Served
from quantgate.pipelines.engines.openai.session import Session, session
from quantgate.pipelines.engines.openai.streams import Streamed, streamed
from quantgate.pipelines.engines.requests import Prompt
from quantgate.pipelines.engines.timing.meter import SpeedRequest
from quantgate.pipelines.process.accelerator_energy import accelerator_meters
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.energy import EnergyMeter, EnergyWatch, energy_meters
from quantgate.pipelines.process.harness import serve
from quantgate.pipelines.process.memory import tree_peak_bytes

_LEAST_PASSES, _LEAST_SECONDS = 3, 0.5
_STREAMING: JsonObject = {"stream": True, "stream_options": {"include_usage": True}}


@dataclass(frozen=True, slots=True, kw_only=True)
class _TimedAnswer:
    stream: Streamed
    joules_per_token: float | None


def measure(call: Served[SpeedRequest], on_progress: OnProgress) -> SpeedSample:
    """Ask once to warm up, then three times or for half a second, and take the middle figures.

    Energy is that of the machine's processors, and of its accelerators where the server is said to compute on
    one, over the whole answer, where the server was started here.

    Raises:
        ServiceError: where the server refuses, or its reply is no stream of tokens.
        WorkerError: where a started server ends or does not answer.
    """
    request, running = call.request, call.serving.running
    on_progress(Progress(done=0, total=0, what="waiting for the server"))
    with session(call.serving) as served:
        meters = _meters(call)
        _ask(served, request, 0, meters)
        passes: list[_TimedAnswer] = []
        started = time.perf_counter()
        while len(passes) < _LEAST_PASSES or time.perf_counter() - started < _LEAST_SECONDS:
            number = len(passes) + 1
            passes.append(_ask(served, request, number, meters))
            on_progress(Progress(done=len(passes), total=0, what="timing"))
        # On a GPU its memory is what counts, and what a server takes of that nothing tells here.
        peak = tree_peak_bytes(running.guard) if running and _on_processors(call) else None
    speeds = [speed for each in passes if (speed := each.stream.tokens_per_second) is not None]
    if not speeds:
        raise ServiceError(
            "its streams hold no second token",
            where=f"server {served.server.name}",
            next_step="leave --speed out, or raise the suite's `max_tokens`",
        )
    first = median(each.stream.first_seconds for each in passes)
    joules = [each.joules_per_token for each in passes if each.joules_per_token is not None]
    return SpeedSample(
        prompt_tokens_per_second=len(request.prompt) / first,
        generated_tokens_per_second=median(speeds),
        first_token_seconds=first,
        peak_memory_bytes=peak,
        joules_per_token=median(joules) if joules else None,
    )


def rotated(prompt: tuple[int, ...], number: int) -> tuple[int, ...]:
    """Return a prompt that begins elsewhere each time: servers keep what prompts begin with."""
    start = number % len(prompt)
    return prompt[start:] + prompt[:start]


def _meters(call: Served[SpeedRequest]) -> tuple[EnergyMeter, ...]:
    """Return what counts the energy of a server that was started here; processors do not stand for GPUs."""
    if call.serving.running is None:
        return ()
    if _on_processors(call):
        return energy_meters()
    accelerators = accelerator_meters()
    # Of several, all are read, and those that others compute on cannot be told apart.
    return (*energy_meters(), *accelerators) if len(accelerators) == 1 else ()


def _on_processors(call: Served[SpeedRequest]) -> bool:
    return call.serving.server.device in ("cpu", UNKNOWN)


def _ask(
    served: Session, request: SpeedRequest, number: int, meters: Sequence[EnergyMeter]
) -> _TimedAnswer:
    completions = Completions(
        server=served.server,
        served_name=served.served_name,
        decode=DecodeSettings(max_tokens=request.generated_tokens),
        stop_token_ids=(),
    )
    prompt = Prompt(item_id="speed", token_ids=rotated(request.prompt, number))
    body = completions.body(prompt) | _STREAMING | served.dialect.endless
    energy = EnergyWatch(meters)
    reply = served.client.post_streamed(completions.path, body, f"timed answer {number}")
    joules = energy.joules()
    stream = streamed(reply)
    if stream is None:
        raise ServiceError(
            "it does not stream its answer",
            where=f"server {served.server.name}",
            next_step="leave --speed out, or name a server that streams",
        )
    return _TimedAnswer(stream=stream, joules_per_token=joules / stream.tokens if joules else None)


if __name__ == "__main__":
    serve(measure, Served[SpeedRequest])
