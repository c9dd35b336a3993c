"""Made-up speeds of variants beside their base."""

from quantgate.pipelines.domain.speed import Speed, SpeedConditions, SpeedSample
from tests.support.verdicts.reports import LLAMACPP

CONDITIONS = SpeedConditions(
    runtime=LLAMACPP, processor="made up", threads=2, prompt_tokens=64, generated_tokens=16
)


def timed_twice_as_fast() -> Speed:
    """Return three rounds in which a variant is about twice as fast, in half of the memory."""
    return Speed(
        conditions=CONDITIONS,
        base=tuple(_sample(10.0, 80_000_000) for _ in range(3)),
        variant=tuple(_sample(speed, 40_000_000) for speed in (19.0, 21.0, 20.0)),
    )


def _sample(generated: float, memory: int) -> SpeedSample:
    return SpeedSample(
        prompt_tokens_per_second=10 * generated,
        generated_tokens_per_second=generated,
        first_token_seconds=1 / generated,
        peak_memory_bytes=memory,
    )
