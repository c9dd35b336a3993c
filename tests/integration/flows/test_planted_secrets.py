"""Secrets are planted wherever a user may have them, all fails, and what is left behind is searched."""

import base64
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.builds.road import Road, make_road
from tests.support.project import PROJECT
from tests.support.servers.openai_fake import FakeEngine, fake_server

pytestmark = pytest.mark.integration

PASSWORD, TOKEN, KEY = "mlfl0w/p@ss-word", "hf_plantedTOKEN1234", "desk-plant3d-key"
SERVER = """judge_in: desk
servers:
  desk:
    engine: llama-server
    formats: [gguf]
    url: {url}
    api_key_env: DESK_API_KEY
    model_name: "{{folder}}"
"""


class TalkativeMlflow(BaseHTTPRequestHandler):
    """Refuses everything, and repeats what it was told on the way."""

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.refuse()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.refuse()

    def refuse(self) -> None:
        header = self.headers.get("Authorization", "")
        plain = base64.b64decode(header.removeprefix("Basic ")).decode() if header else ""
        told = f"{header} ({plain}, {quote(plain, safe='')}) may not see {self.path}"
        body = json.dumps({"error_code": "PERMISSION_DENIED", "message": told}).encode()
        self.send_response(403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def mlflow() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), TalkativeMlflow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://somebody:{quote(PASSWORD, safe='')}@127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


PLANTED = {"HF_TOKEN": TOKEN, "DESK_API_KEY": KEY}


def run(road: Road, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run `quantgate` with secrets in its environment."""
    return subprocess.run(
        road.command(*arguments),
        cwd=PROJECT,
        env=road.environment | PLANTED | variables,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )


def spellings() -> set[bytes]:
    """Every way in which a secret may stand in a file."""
    told = {TOKEN, KEY}
    for plain in (PASSWORD, f"somebody:{PASSWORD}"):
        encoded = base64.b64encode(plain.encode()).decode()
        told |= {plain, quote(plain, safe=""), quote(plain), json.dumps(plain)[1:-1], encoded}
    return {one.encode() for one in told}


def require_hidden(said: str, *folders: Path) -> None:
    """Search what was printed, and every file below the folders, databases included."""
    places = {"the terminal": said.encode()}
    for folder in folders:
        places |= {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert len(places) > 1
    found = [name for name, content in places.items() if any(s in content for s in spellings())]
    assert found == []


def test_a_registry_that_repeats_the_password_tells_it_to_nobody(
    tmp_path: Path, mlflow: str
) -> None:
    road = make_road(tmp_path, ("Q8_0",), items_a_slice=1)
    road.store.mkdir()
    (road.store / "kept").write_text("a file")
    said = ""
    for command in (("lookup", "support-llama"), ("doctor",)):
        finished = run(road, *command, MLFLOW_TRACKING_URI=mlflow)
        said += finished.stdout + finished.stderr
    assert "somebody:***@127.0.0.1" in said
    assert "MLflow refused" in said
    assert "Traceback" not in said
    require_hidden(said, road.store)


@pytest.mark.slow
def test_a_build_whose_registry_refuses_leaves_no_secret_anywhere(
    tmp_path: Path, mlflow: str
) -> None:
    road = make_road(tmp_path, ("Q8_0",), items_a_slice=4)
    planned = run(road, *road.build, MLFLOW_TRACKING_URI=mlflow)
    finished = run(road, *road.build, "--queue", MLFLOW_TRACKING_URI=mlflow)
    said = planned.stdout + planned.stderr + finished.stdout + finished.stderr
    assert planned.returncode == 6
    assert "register later: --queue" in planned.stderr
    assert "MLflow refused" in said, said
    require_hidden(said, tmp_path)


@pytest.mark.slow
def test_a_server_that_repeats_its_key_tells_it_to_nobody(tmp_path: Path) -> None:
    road = make_road(tmp_path, ("Q8_0",), items_a_slice=1)
    with fake_server(FakeEngine(served_name=KEY, model_path=KEY)) as url:
        with (road.folder / "build.yaml").open("a") as build:
            build.write(SERVER.format(url=url))
        finished = run(road, *road.build)
    said = finished.stdout + finished.stderr
    assert "it serves ***" in said, said
    assert finished.returncode == 6
    require_hidden(said, tmp_path)
