"""A server that is started beside planning, where a build will need one of its own."""

from pathlib import Path

from quantgate.flows.orchestration.server.api import server_ahead
from quantgate.flows.orchestration.server.state import ServerFolder


def test_none_is_started_where_another_is_named(tmp_path: Path) -> None:
    with server_ahead(tmp_path, api_url="http://prefect.example:4200/api") as start_beside:
        start_beside()
    assert list(tmp_path.iterdir()) == []


def test_none_is_started_for_a_build_that_was_refused_before(tmp_path: Path) -> None:
    with server_ahead(tmp_path):
        pass
    assert not ServerFolder.of(tmp_path).has_keeper()
