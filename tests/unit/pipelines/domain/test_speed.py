"""Speeds are ratios round by round: what both rounds share, such as a busy machine, cancels out."""

from quantgate.pipelines.domain.speed import Speed, SpeedSample
from tests.support.verdicts.speeds import CONDITIONS


def sample(
    generated: float, *, memory: int | None = 100, joules: float | None = None
) -> SpeedSample:
    return SpeedSample(
        prompt_tokens_per_second=10 * generated,
        generated_tokens_per_second=generated,
        first_token_seconds=1 / generated,
        peak_memory_bytes=memory,
        joules_per_token=joules,
    )


def test_a_machine_that_slows_down_for_both_changes_no_ratio() -> None:
    speed = Speed(
        conditions=CONDITIONS,
        base=(sample(10), sample(5), sample(20)),
        variant=(sample(15), sample(7.5), sample(30)),
    )
    figure = speed.figure("generated_tokens_per_second")
    assert figure is not None
    assert (figure.ratio.low, figure.ratio.median, figure.ratio.high) == (1.5, 1.5, 1.5)
    assert (figure.base.low, figure.base.median, figure.base.high) == (5, 10, 20)
    assert figure.variant.median == 15


def test_what_one_round_could_not_read_is_no_figure() -> None:
    speed = Speed(
        conditions=CONDITIONS,
        base=(sample(10, memory=None), sample(10, joules=2.0)),
        variant=(sample(10), sample(10, joules=1.0)),
    )
    names = [figure.name for figure in speed.figures]
    assert names == [
        "prompt_tokens_per_second",
        "generated_tokens_per_second",
        "first_token_seconds",
    ]
    assert speed.figure("joules_per_token") is None
