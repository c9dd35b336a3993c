"""MLflow's pages beside a service: a child that cannot live leaves nobody who only listens."""

import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from quantgate.flows.orchestration.server.registry_pages import registry_pages
from quantgate.pipelines.files.store import Store
from quantgate.registry import Tracking


def test_pages_that_cannot_be_served_refuse_who_asks(tmp_path: Path) -> None:
    news: list[str] = []
    tracking = Tracking.resolve(Store(root=tmp_path))
    with registry_pages(tracking, _free_port(), news.append, module="no_such_module") as address:
        deadline = time.monotonic() + 20
        while not (news and "cannot be served" in news[-1]) and time.monotonic() < deadline:
            time.sleep(0.05)
        place = urlsplit(str(address))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((place.hostname, place.port), timeout=5)
    assert news == [
        *["MLflow's server ended: starting it anew"] * 2,
        f"MLflow's pages cannot be served, the work goes on: {tmp_path / 'mlflow.log'}",
    ]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
