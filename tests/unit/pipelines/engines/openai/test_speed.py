"""Servers are timed by when the events of a stream come."""

from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.domain.speed import SpeedSample
from quantgate.pipelines.engines.http.bounded_http import HttpReply
from quantgate.pipelines.engines.openai.messages import Served
from quantgate.pipelines.engines.openai.streams import streamed
from quantgate.pipelines.engines.openai.workers.speed import measure, rotated
from quantgate.pipelines.engines.timing.meter import SpeedRequest
from quantgate.pipelines.process.calls import ignore_progress
from tests.support.servers.openai_fake import FakeEngine, fake_server
from tests.support.servers.served import COMMAND, Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def timed(site: Site, engine: FakeEngine | None = None) -> SpeedSample:
    """Time a fake server: one that runs already, or without one a started one."""
    request = SpeedRequest(
        loadable=site.loadable,
        prompt=(3, 4, 5, 6),
        generated_tokens=8,
        threads=1,
        log=site.folder / "speed.log",
    )
    if engine is None:
        server = site.server(command=COMMAND, model_name="served")
        with site.running(server) as serving:
            return measure(Served(serving=serving, request=request), ignore_progress)
    with fake_server(engine) as url, site.running(site.server(url=url)) as serving:
        return measure(Served(serving=serving, request=request), ignore_progress)


def reply(*pieces: tuple[float, bytes]) -> HttpReply:
    arrivals, body = [], b""
    for seconds, piece in pieces:
        body += piece
        arrivals.append((seconds, len(body)))
    return HttpReply(status=200, reason="", headers={}, body=body, arrivals=tuple(arrivals))


def test_a_stream_is_timed_by_the_pieces_that_complete_its_events() -> None:
    token = b'data: {"choices": [{"text": "x"}]}\n\n'
    stream = streamed(
        reply(
            (0.5, b": a comment\n" + token),
            (0.6, token[:9]),
            (0.8, token[9:] + token),
            (0.9, b'data: {"choices": [], "usage": {"completion_tokens": 4}}\n\ndata: [DONE]\n'),
        )
    )
    assert stream is not None
    assert (stream.first_seconds, stream.last_seconds, stream.tokens) == (0.5, 0.8, 4)
    assert stream.tokens_per_second == pytest.approx(3 / 0.3)


def test_what_is_no_stream_has_no_speed() -> None:
    assert streamed(reply((0.5, b'{"choices": [{"text": "x"}]}'))) is None
    assert streamed(reply((0.5, b"data: [DONE]\ndata: {broken\n"))) is None
    one = streamed(reply((0.5, b'data: {"choices": [{}]}\n')))
    assert one is not None and one.tokens_per_second is None


def test_a_running_server_is_timed_and_its_memory_and_energy_are_not_ours_to_tell(
    site: Site,
) -> None:
    engine = site.engine(token_seconds=0.02)
    sample = timed(site, engine)
    assert 20 < sample.generated_tokens_per_second < 52
    assert 0.018 < sample.first_token_seconds < 0.5
    assert sample.prompt_tokens_per_second == pytest.approx(4 / sample.first_token_seconds)
    assert (sample.peak_memory_bytes, sample.joules_per_token) == (None, None)
    asked = [request["prompt"] for request in engine.requests]
    assert len(asked) >= 4
    assert asked[:2] == [[3, 4, 5, 6], [4, 5, 6, 3]], "servers keep what prompts begin with"
    assert all(request["ignore_eos"] and request["stream"] for request in engine.requests)


def test_a_started_server_s_memory_is_told_with_that_of_what_it_started(site: Site) -> None:
    sample = timed(site)
    assert sample.peak_memory_bytes is not None
    assert sample.peak_memory_bytes > 10_000_000


def test_a_server_that_does_not_stream_is_said_to(site: Site) -> None:
    engine = site.engine(streams=False)
    with pytest.raises(ServiceError, match="does not stream its answer"):
        timed(site, engine)


def test_prompts_begin_elsewhere_each_time() -> None:
    assert [rotated((1, 2, 3), number) for number in range(4)] == [
        (1, 2, 3),
        (2, 3, 1),
        (3, 1, 2),
        (1, 2, 3),
    ]
