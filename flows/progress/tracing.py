"""Units as OpenTelemetry spans, sent where the standard variables say: OTLP over HTTP in its JSON form.

`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, or `OTEL_EXPORTER_OTLP_ENDPOINT` with `/v1/traces` behind it, and
`OTEL_EXPORTER_OTLP_HEADERS` are read as OpenTelemetry's specification of exporters has them.
Spans of one run of a build have one trace, whichever process makes them: its id follows from the plan.
"""

import http.client
import json
import os
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

from quantgate.flows.progress.board import Board
from quantgate.flows.progress.clocks import SteadyClock
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.process.calls import OnProgress

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
_SERVICE = "OTEL_SERVICE_NAME"
_SEND_SECONDS = 5.0
_PAUSE_SECONDS = 30.0
_NANOSECONDS = 1e9
_INTERNAL, _OK, _ERROR = 1, 1, 2
"""SpanKind and StatusCode of the protocol."""


class SpanSender:
    """Sends each span at once, in the thread that has it: a worker may be gone right after a unit.

    Where one is not taken, which is said once, those of the next half minute are dropped.
    """

    def __init__(
        self, endpoint: str, headers: Mapping[str, str], say: Callable[[str], None]
    ) -> None:
        """Send to an address."""
        self._endpoint, self._say = endpoint, say
        self._headers = {"Content-Type": "application/json", **headers}
        self._said = False
        self._paused_until = 0.0

    @classmethod
    def of(
        cls, say: Callable[[str], None], environment: Mapping[str, str] = os.environ
    ) -> "SpanSender | None":
        """Return a sender to where the environment says; None where it says nothing."""
        endpoint = environment.get(_TRACES_ENDPOINT)
        if not endpoint and (base := environment.get(_ENDPOINT)):
            endpoint = f"{base.rstrip('/')}/v1/traces"
        if not endpoint:
            return None
        pairs = (part.partition("=") for part in environment.get(_HEADERS, "").split(","))
        headers = {name.strip(): unquote(value.strip()) for name, _, value in pairs if name.strip()}
        return cls(endpoint, headers, say)

    def send(self, span: JsonObject) -> None:
        """Send a span; it is taken, or dropped, when this returns."""
        if time.monotonic() < self._paused_until:
            return
        try:
            request = urllib.request.Request(
                self._endpoint, data=json.dumps(_envelope(span)).encode(), headers=self._headers
            )
            with urllib.request.urlopen(request, timeout=_SEND_SECONDS):
                pass
        except (OSError, ValueError, http.client.HTTPException) as error:
            self._paused_until = time.monotonic() + _PAUSE_SECONDS
            if not self._said:
                self._say(f"spans are not taken at {self._endpoint}: {error}")
            self._said = True


class TracedBoard:
    """Shows units on another board, and sends each as a span when it ends."""

    def __init__(self, board: Board, sender: SpanSender, plan_file: Path) -> None:
        """Belong to the run of a plan that was written just now."""
        self._board, self._sender = board, sender
        self._build = plan_file.parent.name
        written_at = plan_file.stat().st_mtime_ns
        digest = sha256(f"{self._build} {written_at}".encode()).hexdigest()
        self._trace, self._root = digest[:32], digest[32:48]

    def say(self, text: str) -> None:
        """Show one line."""
        self._board.say(text)

    @contextmanager
    def unit(self, step: str, identifier: str) -> Iterator[OnProgress]:
        """Show that a unit is under way until the block ends, and send its span then."""
        clock = SteadyClock()
        began, failed = clock(), True
        try:
            with self._board.unit(step, identifier) as hear:
                yield hear
            failed = False
        finally:
            span = sha256(f"{self._trace} {step} {identifier} {began}".encode()).hexdigest()[:16]
            attributes = {"quantgate.step": step, "quantgate.unit": identifier}
            self._send(step, span, (began, clock()), failed=failed, attributes=attributes)

    @contextmanager
    def run(self) -> Iterator[None]:
        """Be the whole run for the time of a block: its span is the parent of all units'."""
        clock = SteadyClock()
        began, failed = clock(), True
        try:
            yield
            failed = False
        finally:
            self._send("build", self._root, (began, clock()), failed=failed, attributes={})

    def _send(
        self,
        name: str,
        span: str,
        moments: tuple[float, float],
        *,
        failed: bool,
        attributes: Mapping[str, str],
    ) -> None:
        began, ended = (str(round(moment * _NANOSECONDS)) for moment in moments)
        parent: JsonObject = {} if span == self._root else {"parentSpanId": self._root}
        self._sender.send(
            {
                "traceId": self._trace,
                "spanId": span,
                **parent,
                "name": name,
                "kind": _INTERNAL,
                "startTimeUnixNano": began,
                "endTimeUnixNano": ended,
                "attributes": _attributes({"quantgate.build": self._build, **attributes}),
                "status": {"code": _ERROR if failed else _OK},
            }
        )


@contextmanager
def traced(board: Board, plan_file: Path) -> Iterator[Board]:
    """Yield a board that sends spans for the run of a plan, or the board itself where nobody takes any."""
    sender = SpanSender.of(board.say)
    if sender is None:
        yield board
        return
    traced_board = TracedBoard(board, sender, plan_file)
    with traced_board.run():
        yield traced_board


def _envelope(span: JsonObject) -> JsonObject:
    service = os.environ.get(_SERVICE) or "quantgate"
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes({"service.name": service})},
                "scopeSpans": [{"scope": {"name": "quantgate"}, "spans": [span]}],
            }
        ]
    }


def _attributes(values: Mapping[str, str]) -> list[JsonValue]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]
