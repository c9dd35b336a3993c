"""What a Prefect server says of a deployment before it gets it: its version, and pools that it lacks."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest

from quantgate.flows.orchestration.deploying.command import deploy_all, server_problems
from quantgate.flows.orchestration.deploying.files import DeploymentSpec, WorkPoolSpec
from quantgate.pipelines.domain.errors import ServiceError

SPEC = DeploymentSpec(name="build", entrypoint="a:b", work_pool=WorkPoolSpec(name="gpus"))


@contextmanager
def server(prefect: str, pools: tuple[str, ...], login: str = "") -> Iterator[str]:
    """Yield the address of an API that has this version and these pools, for who brings a login."""
    answers = {"/api/admin/version": f'"{prefect}"'} | {f"/api/work_pools/{p}": "{}" for p in pools}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path)
            may = self.headers.get("Authorization", "") == login
            self.send_response((200 if answer else 404) if may else 401)
            self.end_headers()
            self.wfile.write((answer or "{}").encode())

        def log_message(self, *_: object) -> None:
            """Keep the test output quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/api"
        running.shutdown()
        thread.join()


def test_a_server_of_this_version_with_the_pool_takes_it() -> None:
    with server(version("prefect"), ("gpus",)) as url:
        assert list(server_problems((SPEC,), url)) == []


def test_another_version_and_an_unknown_pool_are_a_line_each() -> None:
    with server("2.20.1", ()) as url:
        other, pool = server_problems((SPEC,), url)
    assert other.startswith("the server is Prefect 2.20.1, and this is 3.")
    assert pool == "there is no work pool 'gpus': prefect work-pool create gpus --type process"


@pytest.mark.parametrize(
    ("variable", "value", "login"),
    [
        ("PREFECT_API_KEY", "k3y", "Bearer k3y"),
        ("PREFECT_API_AUTH_STRING", "me:s3cret", "Basic bWU6czNjcmV0"),
    ],
)
def test_a_server_that_wants_a_login_gets_the_one_that_prefects_variables_name(
    variable: str, value: str, login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server(version("prefect"), ("gpus",), login) as url:
        with pytest.raises(ServiceError, match="wants another login") as caught:
            list(server_problems((SPEC,), url))
        assert "PREFECT_API_AUTH_STRING" in str(caught.value.next_step)
        monkeypatch.setenv(variable, value)
        assert list(server_problems((SPEC,), url)) == []


def test_a_deployment_that_takes_too_long_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="had not deployed after 0 s") as caught:
        deploy_all(tmp_path / "prefect.yaml", {}, most_seconds=0.01)
    assert caught.value.transient


def test_a_server_that_went_away_is_a_transient_error() -> None:
    with pytest.raises(ServiceError) as caught:
        list(server_problems((SPEC,), "http://127.0.0.1:9/api"))
    assert caught.value.transient
