import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.bounds import READ_SECONDS, Bounds
from quantgate.pipelines.hub.source import HubSettings
from tests.support.servers.misbehaving import OK, Send, server, trickling, whole

ROOMY = b"Content-Type: application/json\r\nContent-Length: 999999\r\n\r\n"


def read(send: Send, path: str, bounds: Bounds) -> bytes:
    """What a bounded session reads."""
    hooks: dict[str, list[Callable[..., Any]]] = {
        "request": [bounds.request],
        "response": [bounds.response],
    }
    with server(send) as url, httpx.Client(event_hooks=hooks, timeout=None) as client:
        return client.get(url + path).content


def test_a_listing_that_trickles_or_never_ends_is_over_in_time() -> None:
    began = time.monotonic()
    with pytest.raises(httpx.ReadTimeout):
        read(trickling(OK + ROOMY, b" "), "/api/models/x", Bounds(seconds=0.2))
    with pytest.raises(httpx.ReadError):
        read(trickling(OK + b"\r\n", b" " * 500_000), "/api/models/x", Bounds(most_bytes=1 << 20))
    assert time.monotonic() - began < 5


def test_a_file_may_be_large_and_long_but_not_slower_than_its_pace() -> None:
    slow = trickling(OK + ROOMY, b" ")
    with pytest.raises(httpx.ReadTimeout, match="too slowly"):
        read(slow, "/org/name/resolve/main/f", Bounds(pace_seconds=0.2, pace_bytes=10_000))
    large = whole(b" " * 100_000)
    assert (
        len(read(large, "/org/name/resolve/main/f", Bounds(seconds=0.0, most_bytes=9))) == 100_000
    )


def test_a_request_that_may_wait_for_ever_gets_its_times() -> None:
    request = httpx.Request(
        "GET", "http://x", extensions={"timeout": {"read": None, "connect": 3.0}}
    )
    Bounds().request(request)
    assert request.extensions["timeout"]["read"] == READ_SECONDS
    assert request.extensions["timeout"]["connect"] == 3.0


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(whole(b"<html>hello</html>"), id="page"),
        pytest.param(whole(b'{"sha": 5, "siblings": []}'), id="numbers"),
        pytest.param(whole(b'{"id": "org/name", "sha": ' + b"[" * 200_000), id="brackets"),
        pytest.param(whole(b"not here", status=b"502 Bad Gateway"), id="gateway"),
    ],
)
def test_a_hub_that_answers_with_something_else_is_one_message(tmp_path: Path, send: Send) -> None:
    with server(send) as url, pytest.raises(ServiceError):
        resolve_checkpoint(
            "org/name", name=None, store=Store(root=tmp_path), hub=HubSettings(endpoint=url)
        )
