"""A receiver of webhooks: a hub that can reach us says that something changed, and the next look is now.

Nothing that a message says is believed but that it came from somebody who knows the secret: it only brings a
look forward, which asks the hub itself. Messages are signed by HMAC-SHA256 over their bytes
(`X-Hub-Signature-256: sha256=…`, as GitHub and its like do), or bring the secret itself
(`X-Webhook-Secret`, as Hugging Face does: https://huggingface.co/docs/hub/webhooks), which only TLS hides.
"""

import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from typing_extensions import override

from quantgate.pipelines.domain.errors import InputError, ToolchainError

SIGNATURE = "X-Hub-Signature-256"
BARE_SECRET = "X-Webhook-Secret"
LARGEST_BYTES = 1 << 20
_SHORTEST_SECRET = 16
_REQUEST_SECONDS = 10.0


class Bell:
    """Rung by messages; however many come before anybody looks, they are one."""

    def __init__(self) -> None:
        """Start silent."""
        self._rung = threading.Event()

    def ring(self) -> None:
        """Say that there is something to look at."""
        self._rung.set()

    def heard(self, seconds: float) -> bool:
        """Wait for a ring, so long at most; what rang before counts once."""
        rung = self._rung.wait(seconds)
        self._rung.clear()
        return rung


def signature(secret: bytes, body: bytes) -> str:
    """Return what a message is signed with."""
    return f"sha256={hmac.new(secret, body, 'sha256').hexdigest()}"


@contextmanager
def receiver(host: str, port: int, secret: str, bell: Bell) -> Iterator[str]:
    """Listen while a block runs; yields the address.

    Messages with the right signature or secret ring the bell.

    Raises:
        InputError: the secret is too short to be one.
        ToolchainError: the port cannot be had.
    """
    if len(secret) < _SHORTEST_SECRET:
        raise InputError(
            f"the webhook's secret has {len(secret)} characters",
            next_step=f"choose one of {_SHORTEST_SECRET} or more, at random",
        )
    handler = type("_BoundHandler", (_MessageHandler,), {"secret": secret.encode(), "bell": bell})
    try:
        server = _Server((host, port), handler)
    except OSError as error:
        raise ToolchainError(
            f"cannot listen ({error.strerror})",
            where=f"{host}:{port}",
            next_step="take another port",
        ) from error
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a peer that went away."""


class _MessageHandler(BaseHTTPRequestHandler):
    secret: bytes
    bell: Bell
    timeout = _REQUEST_SECONDS

    def do_POST(self) -> None:
        self._reply(self._taken())

    @override
    def log_message(self, *_: object) -> None:
        """Say nothing: who knocks is no news."""

    def _taken(self) -> HTTPStatus:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            return HTTPStatus.LENGTH_REQUIRED
        if int(length) > LARGEST_BYTES:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        body = self.rfile.read(int(length))
        if not (
            self._has(SIGNATURE, signature(self.secret, body).encode())
            or self._has(BARE_SECRET, self.secret)
        ):
            return HTTPStatus.UNAUTHORIZED
        self.bell.ring()
        return HTTPStatus.ACCEPTED

    def _has(self, header: str, expected: bytes) -> bool:
        """Whether a header says what is expected; how long that takes tells nothing of it."""
        return hmac.compare_digest(self.headers.get(header, "").encode(), expected)

    def _reply(self, status: HTTPStatus) -> None:
        answer = json.dumps({"status": status.phrase}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer)
        self.close_connection = True
