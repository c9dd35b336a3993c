"""Servers that misbehave on purpose, a few bytes each: no fake HTTP library would let us."""

import gzip
import socket
import time
import zlib
from collections.abc import Callable

import pytest

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.engines.http.client import Endpoint, ServerClient
from quantgate.pipelines.engines.http.patience import Patience
from tests.support.servers.misbehaving import OK, Send, server, trickling, whole


def error(send: Send, timeout: float = 5.0) -> str:
    """What asking such a server ends with."""
    with server(send) as url, pytest.raises(ServiceError) as caught:
        ask(url, timeout)
    return str(caught.value)


def ask(url: str, timeout: float = 5.0) -> dict[str, object]:
    """Ask once, or twice where it may pass."""
    endpoint = Endpoint(url=url, timeout_seconds=timeout, connections=1)
    client = ServerClient(endpoint, patience=Patience(tries=2), pause=lambda _: None)
    try:
        return dict(client.post("/v1/completions", {"prompt": [1]}, "item one"))
    finally:
        client.close()


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(trickling(OK + b"Content-Length: 999999\r\n\r\n", b" "), id="body"),
        pytest.param(trickling(OK + b"X-Slow: ", b"x"), id="header"),
        pytest.param(trickling(b"", b"H"), id="status"),
        pytest.param(
            trickling(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"), id="chunks"
        ),
    ],
)
def test_a_reply_that_trickles_is_over_at_its_deadline(send: Send) -> None:
    began = time.monotonic()
    told = error(send, timeout=0.3)
    assert "no whole reply within 0.3 s" in told or "at last" in told
    assert time.monotonic() - began < 3


def test_a_reply_without_end_is_bounded() -> None:
    def send(connection: socket.socket) -> None:
        connection.sendall(OK + b"\r\n")
        while True:
            connection.sendall(b" " * 1_000_000)

    assert "larger than 33,554,432 bytes" in error(send, timeout=60)


@pytest.mark.parametrize("packed", [gzip.compress, zlib.compress])
def test_a_bomb_is_not_unpacked(packed: Callable[[bytes], bytes]) -> None:
    body = packed(b" " * (34 << 20))
    encoding = b"gzip" if packed is gzip.compress else b"deflate"
    assert len(body) < 100_000
    told = error(whole(body, b"Content-Encoding: " + encoding))
    assert "larger than 33,554,432 bytes when it is unpacked" in told


def test_a_packed_reply_is_read_although_nobody_asked_for_it() -> None:
    with server(whole(gzip.compress(b'{"a": 1}'), b"Content-Encoding: gzip")) as url:
        assert ask(url) == {"a": 1}


@pytest.mark.parametrize(
    ("send", "told"),
    [
        pytest.param(whole(b"{}", b"Content-Encoding: br"), "packed as 'br'", id="another packing"),
        pytest.param(
            whole(b"nothing packed", b"Content-Encoding: gzip"),
            "cannot be unpacked",
            id="no packing",
        ),
        pytest.param(
            whole(gzip.compress(b'{"a": 1}')[:-9], b"Content-Encoding: gzip"), "cut off", id="half"
        ),
        pytest.param(
            whole(b"", b"Location: http://u:pass-word-1@x/?token=t0ken-1", status=b"302 Found"),
            "redirects to http://u:***@x/?token=***",
            id="redirect",
        ),
        pytest.param(
            whole(b"<html><h1>Bad Gateway</h1></html>", status=b"502 Bad Gateway"),
            "failed 2 times, at last: HTTP 502: Bad Gateway",
            id="page",
        ),
        pytest.param(whole(b"<html>hello</html>"), "the reply is not JSON: <html>", id="200 page"),
        pytest.param(whole(b"[" * 200_000), "nested more than 100 levels", id="brackets"),
        pytest.param(whole(b'{"a": ' + b"9" * 9_000 + b"}"), "is not JSON", id="huge integer"),
        pytest.param(whole(b""), "is not JSON: nothing", id="empty"),
        pytest.param(
            whole(b"{}", b"Retry-After: \xb2", status=b"429 Too Many"), "HTTP 429", id="odd pause"
        ),
        pytest.param(lambda c: c.sendall(b"SSH-2.0-OpenSSH\r\n"), "failed 2 times", id="no HTTP"),
        pytest.param(lambda c: c.sendall(OK + b"Content-Length: 9\r\n\r\n{}"), "2 times", id="cut"),
        pytest.param(
            lambda c: c.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000 + b"\r\n"),
            "failed 2 times",
            id="headers without end",
        ),
    ],
)
def test_a_server_that_misbehaves_is_one_message(send: Send, told: str) -> None:
    said = error(send)
    assert told in said
    assert len(said) < 700
    assert "pass-word-1" not in said and "t0ken-1" not in said
