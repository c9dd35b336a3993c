"""Units in processes of their own, and a Prefect server that is too busy to answer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.builds.processes import require_ended
from tests.support.builds.road import make_road

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_a_build_ends_alike_with_units_in_processes(tmp_path: Path) -> None:
    road = make_road(tmp_path, ("Q8_0", "Q4_0"), items_a_slice=2)
    road = replace(road, variables=(("QUANTGATE_TASK_RUNNER", "processes"),))
    ended = road.run(*road.build, "--anyway")
    assert ended.returncode in (0, 11), ended.stderr
    assert "Traceback" not in ended.stderr
    for step in ("build", "audit", "answer", "register"):
        assert f"{step}: support-llama--Q8_0 done" in ended.stderr
    assert "registered already" in road.run(*road.build, "--anyway").stderr


def test_a_build_goes_on_where_the_named_server_is_too_busy(tmp_path: Path) -> None:
    with busy_server() as url:
        road = make_road(tmp_path, ("Q8_0",), items_a_slice=2)
        ended = replace(road, prefect_api=url).run(*road.build, "--anyway")
    assert ended.returncode in (0, 11), ended.stderr
    assert "the build goes on with a server of its own" in ended.stderr
    assert "Traceback" not in ended.stderr and "Warning" not in ended.stderr


class _Busy(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.send_response(200 if self.path.endswith("/health") else 503)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Keep the test output quiet."""


@contextmanager
def busy_server() -> Iterator[str]:
    """Yield the address of an API that is healthy and answers everything else with 503."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Busy) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/api"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("runner", ["dask", "ray"])
def test_a_build_ends_alike_with_units_on_a_cluster_of_two_workers(
    runner: str, tmp_path: Path
) -> None:
    pytest.importorskip(f"prefect_{runner}", reason="make setup-clusters")
    road = make_road(tmp_path, ("Q8_0", "Q4_0"), items_a_slice=2)
    variables = (("QUANTGATE_TASK_RUNNER", runner), ("QUANTGATE_WORKERS", "2"))
    road = replace(road, variables=variables)
    ended = road.run(*road.build, "--anyway")
    assert ended.returncode in (0, 11), ended.stderr
    assert "Traceback" not in ended.stderr and "Warning" not in ended.stderr, ended.stderr
    for step in ("build", "audit", "answer", "register"):
        assert f"{step}: support-llama--Q8_0 done" in ended.stderr
    for number in (1, 2):  # units of their own, where there are two workers
        assert ended.stderr.count(f"reference {number}/2: base in llamacpp done") == 1
    hosts = {path.name for path in road.store.glob("plans/*/elsewhere/*.json")}
    assert len(hosts) == 2, "both workers ran units"
    require_ended(road.store)
    assert "registered already" in road.run(*road.build, "--anyway").stderr
