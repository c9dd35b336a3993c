"""The pages of the project's own Prefect servers, in a browser: each asks the server that it came from."""

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantgate.flows.orchestration.server.api import down, up
from quantgate.flows.orchestration.server.state import ServerFolder

pytestmark = pytest.mark.integration

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
MARKUP = re.compile(r"<(script|style).*?</\1>|<[^>]+>", re.DOTALL)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """The addresses of two stores' servers that run at the same time from one environment."""
    stores = [tmp_path_factory.mktemp(name) for name in ("one", "other")]
    try:
        with pytest.MonkeyPatch.context() as environment:
            environment.delenv("PREFECT_API_URL", raising=False)
            yield tuple(str(up(store).pages) for store in stores)
    finally:
        for store in stores:
            down(store)
            assert not ServerFolder.of(store).has_keeper()


def fetched(address: str, *, accept: str) -> tuple[int, str]:
    request = urllib.request.Request(address, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return reply.status, reply.read().decode()


def test_each_servers_pages_are_told_its_own_address(pages: tuple[str, ...]) -> None:
    assert len(set(pages)) == 2
    for address in pages:
        settings = json.loads(fetched(f"{address}/ui-settings", accept="application/json")[1])
        assert settings["api_url"] == f"{address}/api"
        assert settings["available_uis"] == ["v1", "v2"]


def test_what_up_prints_is_a_page(pages: tuple[str, ...]) -> None:
    for address in pages:
        status, page = fetched(address, accept="text/html")
        assert status == 200
        assert "<title>" in page


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here (apt-get install chromium)")
def test_a_browser_shows_what_the_server_holds(pages: tuple[str, ...], tmp_path: Path) -> None:
    url = f"{pages[1]}/api/flows/"
    body = json.dumps({"name": "a flow of this very store"}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=30).close()
    shown = [_shown(f"{address}/v2/flows", tmp_path) for address in pages]
    assert "a flow of this very store" in shown[1]
    assert "a flow of this very store" not in shown[0]


def _shown(address: str, folder: Path) -> str:
    """The text of a page after its scripts ran."""
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += ["--disable-background-networking", f"--user-data-dir={folder / 'profile'}"]
    command += ["--virtual-time-budget=20000", address]
    rendered = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return MARKUP.sub(" ", rendered.stdout)
