"""A proxy before real servers: it knows where a model is served, and fails now and then."""

import http.client
import itertools
import json
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from tests.support.servers.in_threads import served_in_threads

_FAULTS = ("429", "502", "cut")
_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


@dataclass
class Gateway:
    """Where each model is served; "" is for requests that name none, and for models that are not listed.

    Every `fault_every`th answer is a 429 with Retry-After, a 502 as HTML or half a reply, in turn; 0 is none.
    """

    upstreams: Mapping[str, str]
    fault_every: int = 0
    faults: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_FAULTS, 0))
    asked: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    turns: Iterator[str] = field(default_factory=lambda: itertools.cycle(_FAULTS))

    def fault(self) -> str | None:
        """What goes wrong with the next answer."""
        with self.lock:
            self.asked += 1
            if not self.fault_every or self.asked % self.fault_every:
                return None
            fault = next(self.turns)
            self.faults[fault] += 1
            return fault

    def upstream(self, body: bytes) -> str:
        """Where a request goes."""
        model = json.loads(body).get("model") if body else None
        return self.upstreams.get(model or "", self.upstreams[""])

    def models(self) -> dict[str, Any]:
        """The lists of all upstreams as one."""
        rows = []
        for url in dict.fromkeys(self.upstreams.values()):
            with urllib.request.urlopen(f"{url}/v1/models", timeout=60) as reply:
                rows += json.load(reply)["data"]
        return {"object": "list", "data": rows}


def gateway(state: Gateway) -> AbstractContextManager[str]:
    """Serve in threads; gives the URL."""
    return served_in_threads(_handler(state))


def _handler(state: Gateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            if self.path == "/v1/models" and len(state.upstreams) > 1:
                self.reply(200, json.dumps(state.models()).encode(), "application/json")
            else:
                self.forward(b"", None)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answers = self.path.endswith("/completions")
            self.forward(body, state.fault() if answers else None)

        def forward(self, body: bytes, fault: str | None) -> None:
            if fault == "429":
                self.reply(429, b"slow down", "text/plain", {"Retry-After": "0"})
                return
            if fault == "502":
                self.reply(502, _PAGE, "text/html")
                return
            status, kind, said = self.asked(body)
            if fault == "cut":
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said[: len(said) // 2])
                self.close_connection = True
                return
            self.reply(status, said, kind)

        def asked(self, body: bytes) -> tuple[int, str, bytes]:
            place = urlsplit(state.upstream(body))
            connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=600)
            try:
                headers = {"Content-Type": "application/json"} if body else {}
                connection.request(self.command, self.path, body or None, headers)
                reply = connection.getresponse()
                return reply.status, reply.headers.get_content_type(), reply.read()
            finally:
                connection.close()

        def reply(
            self, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    return Handler
