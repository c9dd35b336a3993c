"""An event of ours goes through Prefect's own automation to a program that waits for it."""

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from quantgate.flows.orchestration.events.happenings import Happening
from quantgate.flows.orchestration.events.sending import emit
from quantgate.flows.orchestration.server.api import prefect_api
from quantgate.flows.settings import Settings
from tests.support.project import PROJECT

pytestmark = [pytest.mark.integration, pytest.mark.slow]

BLOCK_ID = "00000000-0000-0000-0000-000000000000"
PATIENCE_SECONDS = 120.0


def test_a_changed_verdict_reaches_a_webhook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    settings = Settings.from_environment({"QUANTGATE_STORE": str(tmp_path / "store")})
    changed = Happening(
        event="verdict.changed",
        id="0b2f4ed0-6d3e-4d4e-9a39-5b1b5a3c2d10",
        occurred=datetime.now(UTC).isoformat(),
        resource="quantgate.variant.demo--Q8_0",
        name="demo--Q8_0",
        payload={"before": "pass", "after": "fail"},
    )
    with receiver() as (address, messages), prefect_api(settings.store.root) as url:
        template = (PROJECT / "examples" / "automations" / "webhook.yaml").read_text()
        automation = yaml.safe_load(template.replace(BLOCK_ID, webhook_block(url, address)))
        asked(url, "/automations/", automation)
        time.sleep(5)  # Prefect's triggers are read anew now and then
        assert emit(changed, settings) == url
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not messages and time.monotonic() < deadline:
            time.sleep(0.5)
    (message,) = messages
    assert message["about"] == changed.resource
    assert message["payload"] == changed.payload


def webhook_block(url: str, address: str) -> str:
    """Make a block that posts to an address; return its id."""
    asked(url, "/block_types/install_system_block_types", {})
    with urllib.request.urlopen(f"{url}/block_types/slug/webhook", timeout=30) as answer:
        kind = json.load(answer)["id"]
    schema = asked(
        url, "/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind]}}}
    )[0]
    document = {
        "name": "receiver",
        "block_type_id": kind,
        "block_schema_id": schema["id"],
        "data": {"method": "POST", "url": address, "headers": {}},
    }
    return str(asked(url, "/block_documents/", document)["id"])


def asked(url: str, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        url + path, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read()
    return json.loads(text) if text else None


@contextmanager
def receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield an address and what is posted to it."""
    messages: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received = json.loads(body)
            messages.append(json.loads(received) if isinstance(received, str) else received)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test output quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", messages
        server.shutdown()
        thread.join()
