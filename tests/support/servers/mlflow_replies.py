"""A server that answers MLflow's REST routes from a table, and remembers what it was asked."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.servers.in_threads import served_in_threads


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a route answers: JSON, or bytes as they are."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request."""

    route: str
    query: Mapping[str, str]
    body: Any
    headers: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class Replies:
    """The table: replies by route, in the order in which they are given; the last one stays."""

    routes: dict[str, list[Reply]]
    asked: list[Asked] = field(default_factory=list)
    address: str = ""


@contextmanager
def replying(routes: Mapping[str, Reply | list[Reply]]) -> Iterator[Replies]:
    """Serve; routes are those below `/api/2.0/mlflow/`, others begin with a slash."""
    table = Replies(
        routes={route: r if isinstance(r, list) else [r] for route, r in routes.items()}
    )

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            route = parts.path.removeprefix("/api/2.0/mlflow/")
            length = int(self.headers.get("Content-Length", 0))
            table.asked.append(
                Asked(
                    route=route,
                    query={name: texts[0] for name, texts in parse_qs(parts.query).items()},
                    body=json.loads(self.rfile.read(length)) if length else None,
                    headers=dict(self.headers.items()),
                )
            )
            left = table.routes.get(route, [Reply(status=404, body=b"<html>not here</html>")])
            reply = left.pop(0) if len(left) > 1 else left[0]
            body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, text in {**reply.headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with served_in_threads(Handler) as table.address:
        yield table
