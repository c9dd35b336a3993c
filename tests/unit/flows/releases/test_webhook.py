"""Messages bring a look forward where they are signed, and do nothing else."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from quantgate.flows.cli.main import main
from quantgate.flows.releases.webhook import (
    BARE_SECRET,
    LARGEST_BYTES,
    SIGNATURE,
    Bell,
    receiver,
    signature,
)
from quantgate.pipelines.domain.errors import InputError, ToolchainError

SECRET = "a secret of some length"
BODY = b'{"repo": {"name": "org/model"}}'


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def address(bell: Bell) -> Iterator[str]:
    with receiver("127.0.0.1", 0, SECRET, bell) as listening:
        yield listening


def post(address: str, body: bytes, **headers: str) -> int:
    connection = HTTPConnection(urlsplit(address).netloc, timeout=10)
    connection.request("POST", "/", body, {k.replace("_", "-"): v for k, v in headers.items()})
    with connection.getresponse() as answer:
        answer.read()
    connection.close()
    return answer.status


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {SIGNATURE.replace("-", "_"): signature(secret.encode(), body)}


def test_messages_before_a_look_are_one(address: str, bell: Bell) -> None:
    for _ in range(3):
        assert post(address, BODY, **signed(BODY)) == 202
    assert bell.heard(5)
    assert not bell.heard(0)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(BODY, "another secret of some length"),
        signed(BODY + b" "),
        {SIGNATURE.replace("-", "_"): "sha256="},
        {SIGNATURE.replace("-", "_"): "sha1=0"},
    ],
)
def test_what_is_not_signed_with_the_secret_rings_nothing(
    headers: dict[str, str], address: str, bell: Bell
) -> None:
    assert post(address, BODY, **headers) == 401
    assert not bell.heard(0)


def test_a_message_is_bounded_before_it_is_read(address: str, bell: Bell) -> None:
    with socket.create_connection(("127.0.0.1", urlsplit(address).port or 0), timeout=10) as peer:
        peer.sendall(f"POST / HTTP/1.1\r\nContent-Length: {LARGEST_BYTES + 1}\r\n\r\n".encode())
        assert b" 413 " in peer.recv(100)
    assert not bell.heard(0)


def test_a_signature_is_that_of_the_published_example() -> None:
    secret, body = b"It's a Secret to Everybody", b"Hello, World!"
    digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert signature(secret, body) == f"sha256={digest}"


def test_a_short_secret_and_a_taken_port_are_refused(address: str, bell: Bell) -> None:
    with (
        pytest.raises(InputError, match="has 5 characters"),
        receiver("127.0.0.1", 0, "short", bell),
    ):
        pass
    port = urlsplit(address).port or 0
    with (
        pytest.raises(ToolchainError, match="cannot listen"),
        receiver("127.0.0.1", port, SECRET, bell),
    ):
        pass


def test_the_command_asks_for_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUANTGATE_WEBHOOK_SECRET", raising=False)
    finished = CliRunner().invoke(main, ["webhook"])
    assert finished.exit_code == 2
    assert "QUANTGATE_WEBHOOK_SECRET: is not set" in finished.output


def test_the_bare_secret_is_taken_as_hugging_face_sends_it(address: str, bell: Bell) -> None:
    header = BARE_SECRET.replace("-", "_")
    assert BARE_SECRET == "X-Webhook-Secret"
    for wrong in ("", SECRET[:-1], "another secret of some length"):
        assert post(address, BODY, **{header: wrong}) == 401
    assert not bell.heard(0)
    assert post(address, BODY, **{header: SECRET}) == 202
    assert bell.heard(5)


def test_the_command_looks_once_before_any_message(tmp_path: Path) -> None:
    watch_list = tmp_path / "releases.yaml"
    watch_list.write_text("follow:\n  - {model: ./gone, suite: suite}\n")
    command = [sys.executable, "-c", "from quantgate.flows.cli.main import main; main()", "webhook"]
    environment = os.environ | {
        "QUANTGATE_WEBHOOK_SECRET": SECRET,
        "QUANTGATE_STORE": str(tmp_path / "store"),
    }
    with subprocess.Popen(
        [*command, "--port", "0", "--list", str(watch_list)],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stderr is not None
        said: list[str] = []
        deadline = threading.Timer(60, process.kill)
        deadline.start()
        try:
            while not said or not said[-1].startswith("./gone: "):
                said.append(process.stderr.readline())
                assert said[-1], said
        finally:
            deadline.cancel()
            process.terminate()
