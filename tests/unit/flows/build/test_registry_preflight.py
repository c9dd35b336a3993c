"""The registry, before anything is built: reached, written to, and the model's name still free."""

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from quantgate.flows.build.preflight.registry import refuse_taken_name, refuse_unready_registry
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import InputError, ServiceError, ToolchainError
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.specs.builds import BuildSpec
from quantgate.registry.attesting.signing import create_key
from quantgate.registry.readiness.revisions import refuse_other_schema
from tests.support.fakes import fake_checkpoint

SPEC = BuildSpec(
    name=None, model="org/demo", suite=Path("s"), policy=None, recipes=("Q8_0",), folder=Path()
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(
        Settings.from_environment({}), store=Store(root=tmp_path / "store"), tracking_uri=None
    )


class Server(BaseHTTPRequestHandler):
    """An MLflow server of which a test says the version, and what it answers to requests that write."""

    version = "3.17.2"
    writing = (400, "INVALID_PARAMETER_VALUE")
    asked: list[str] = []  # noqa: RUF012 - one server a test

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/version":
            self._answer(200, self.version)
        else:
            self._error(404, "RESOURCE_DOES_NOT_EXIST")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(urlsplit(self.path).path.removeprefix("/api/2.0/mlflow/"))
        self._error(*self.writing)

    def _error(self, status: int, code: str) -> None:
        self._answer(status, json.dumps({"error_code": code, "message": "no"}))

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[type[Server]]:
    class Mine(Server):
        asked: list[str] = []  # noqa: RUF012 - one server a test

    with ThreadingHTTPServer(("127.0.0.1", 0), Mine) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        Mine.address = f"http://127.0.0.1:{listening.server_port}"  # type: ignore[attr-defined]
        yield Mine
        listening.shutdown()


def at(settings: Settings, server: type[Server]) -> Settings:
    return replace(settings, tracking_uri=server.address)  # type: ignore[attr-defined]


def test_a_database_that_is_not_there_yet_is_ready_and_stays_away(settings: Settings) -> None:
    refuse_unready_registry(SPEC, settings, print)
    assert not (settings.store.root / "mlflow.db").exists()


def test_a_server_is_asked_whether_this_login_may_write_and_nothing_is_written(
    settings: Settings, server: type[Server]
) -> None:
    refuse_unready_registry(replace(SPEC, name="demo"), at(settings, server), print)
    assert server.asked == ["experiments/create", "registered-models/create"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"writing": (403, "PERMISSION_DENIED")}, "does not let this login make experiments"),
        ({"writing": (401, "UNAUTHENTICATED")}, r"refused the login \(401\)"),
        ({"version": "2.22.0"}, r"is MLflow 2\.22\.0, and registering needs MLflow 3"),
        ({"writing": (500, "INTERNAL_ERROR")}, r"MLflow failed \(500"),
    ],
)
def test_a_server_that_could_not_take_it_is_refused_with_both_ways_out(
    settings: Settings, server: type[Server], change: dict[str, object], said: str
) -> None:
    for name, value in change.items():
        setattr(server, name, value)
    with pytest.raises(ServiceError, match=said) as caught:
        refuse_unready_registry(SPEC, at(settings, server), print)
    assert caught.value.next_step is not None
    assert "register later: --queue" in caught.value.next_step


def test_nobody_listening_is_refused_unless_what_is_judged_may_wait(settings: Settings) -> None:
    away = replace(settings, tracking_uri="http://127.0.0.1:9")
    with pytest.raises(ServiceError, match="does not answer"):
        refuse_unready_registry(SPEC, away, print)
    heard: list[str] = []
    refuse_unready_registry(replace(SPEC, queue=True), away, heard.append)
    refuse_taken_name(fake_checkpoint(settings.store.root), SPEC, away, heard.append)
    (told,) = heard
    assert "MLflow does not answer" in told
    assert told.endswith("what is judged waits in the store (--queue)")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_database_in_a_folder_that_may_not_be_written_is_refused(settings: Settings) -> None:
    settings.store.root.mkdir()
    settings.store.root.chmod(0o500)
    with pytest.raises(ToolchainError, match="may not be written"):
        refuse_unready_registry(SPEC, settings, print)
    settings.store.root.chmod(0o700)


def database(settings: Settings, *statements: str) -> None:
    settings.store.root.mkdir(exist_ok=True)
    with closing(sqlite3.connect(settings.store.root / "mlflow.db")) as tables:
        for statement in statements:
            tables.execute(statement)
        tables.commit()


def test_a_database_of_a_newer_mlflow_is_refused_by_its_schema(settings: Settings) -> None:
    database(
        settings,
        "CREATE TABLE alembic_version (version_num TEXT)",
        "CREATE TABLE experiments (name TEXT)",
        "INSERT INTO alembic_version VALUES ('ffffffffffff')",
    )
    with pytest.raises(
        ServiceError, match=r"schema that this MLflow does not know \(ffffffffffff\)"
    ):
        refuse_unready_registry(SPEC, settings, print)


def test_the_first_schema_of_all_is_an_older_one() -> None:
    with pytest.raises(ServiceError, match="schema of an older MLflow") as caught:
        refuse_other_schema("451aebb31d03", where="here", uri="sqlite:////a.db")
    assert str(caught.value.next_step).endswith("mlflow db upgrade sqlite:////a.db")


def test_what_is_no_database_is_refused(settings: Settings) -> None:
    settings.store.root.mkdir()
    (settings.store.root / "mlflow.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(ServiceError, match="cannot be used"):
        refuse_unready_registry(SPEC, settings, print)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("mysql://ada:pass@127.0.0.1/x", "needs the driver MySQLdb, which is not installed"),
        ("postgresql+nobody://127.0.0.1/x", "is not the address of a database"),
    ],
)
def test_a_database_without_its_driver_is_refused_by_name(
    settings: Settings, uri: str, said: str
) -> None:
    with pytest.raises((ToolchainError, InputError), match=said):
        refuse_unready_registry(SPEC, replace(settings, tracking_uri=uri), print)


def test_a_build_that_asks_for_attestations_needs_a_key(settings: Settings, tmp_path: Path) -> None:
    asking = replace(SPEC, attest=True)
    with pytest.raises(InputError, match="and no key is set"):
        refuse_unready_registry(asking, settings, print)
    missing = replace(settings, attest_key=tmp_path / "nowhere")
    for spec in (asking, SPEC):
        with pytest.raises(InputError, match="there is no such key"):
            refuse_unready_registry(spec, missing, print)
    create_key(tmp_path / "key")
    refuse_unready_registry(asking, replace(settings, attest_key=tmp_path / "key"), print)
