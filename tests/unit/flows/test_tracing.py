"""Units are spans of one trace, sent as OTLP's JSON to where the standard variables say."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from quantgate.flows.progress.board import PlainBoard
from quantgate.flows.progress.tracing import SpanSender, traced


@contextmanager
def collector() -> Iterator[tuple[str, list[tuple[str, str | None, dict[str, Any]]]]]:
    """Yield an address, and what is posted to it: path, a header of ours, and the span."""
    received: list[tuple[str, str | None, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            (span,) = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
            received.append((self.path, self.headers.get("x-team"), span))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test output quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()
        thread.join()


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    file = tmp_path / "demo--suite--1" / "plan.json"
    file.parent.mkdir()
    file.write_text("{}")
    return file


def test_a_build_is_a_trace_and_its_units_are_spans_below_it(
    plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    with collector() as (address, received):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=acme%20labs")
        with traced(PlainBoard(lines.append), plan) as board:
            with board.unit("build", "demo--Q8_0"):
                pass
            with pytest.raises(ValueError), board.unit("answer", "demo--Q8_0"):
                raise ValueError
    assert {(path, team) for path, team, _ in received} == {("/v1/traces", "acme labs")}
    built, answered, whole = (span for _, _, span in received)
    assert (built["name"], answered["name"], whole["name"]) == ("build", "answer", "build")
    assert len({span["traceId"] for span in (built, answered, whole)}) == 1
    assert built["parentSpanId"] == answered["parentSpanId"] == whole["spanId"]
    assert "parentSpanId" not in whole
    assert (built["status"]["code"], answered["status"]["code"]) == (1, 2)
    assert {each["key"]: each["value"]["stringValue"] for each in built["attributes"]} == {
        "quantgate.build": "demo--suite--1",
        "quantgate.step": "build",
        "quantgate.unit": "demo--Q8_0",
    }
    assert int(built["startTimeUnixNano"]) <= int(built["endTimeUnixNano"])
    assert lines[0] == "build: demo--Q8_0"


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/traces", "http://localhost:abc/traces", "collector"]
)
def test_without_an_address_nothing_is_sent_and_one_that_does_not_answer_is_said_once(
    plan: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    assert SpanSender.of(lines.append, {}) is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", address)
    with traced(PlainBoard(lines.append), plan) as board:
        for name in ("a", "b"):
            with board.unit("build", name):
                pass
    told = [line for line in lines if "spans are not taken" in line]
    assert len(told) == 1


FORKED_WORKER = """
import os, sys
from pathlib import Path
from quantgate.flows.progress.elsewhere import SilentBoard
from quantgate.flows.progress.tracing import SpanSender, TracedBoard

board = TracedBoard(SilentBoard(), SpanSender.of(print), Path(sys.argv[1]))
if os.fork() == 0:
    with board.unit("build", "demo--Q8_0"):
        pass
    os._exit(0)
os.wait()
os._exit(0)
"""


def test_a_worker_that_is_gone_right_after_its_unit_has_sent_the_span(plan: Path) -> None:
    with collector() as (address, received):
        subprocess.run(
            [sys.executable, "-c", FORKED_WORKER, str(plan)],
            env=os.environ | {"OTEL_EXPORTER_OTLP_ENDPOINT": address},
            check=True,
            timeout=60,
        )
    assert [span["name"] for _, _, span in received] == ["build"]
