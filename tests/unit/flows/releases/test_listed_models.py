"""What a hub lists of one owner: every page of it, and a hub that wants to be left alone for a while."""

from pathlib import Path

import pytest

from quantgate.flows.releases.sources import HuggingFaceHub
from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.source import HubSettings
from tests.support.servers.hub import HubServer


def test_every_page_of_an_owners_models_is_read(tmp_path: Path) -> None:
    with HubServer() as hub:
        for name in ("other/a", *(f"acme/m{number}" for number in range(7))):
            hub.publish(name, {"config.json": b"{}"})
        hub.page_size = 3
        models = of(hub, tmp_path).models("acme", "text-generation")
        asked = [request for request in hub.requests if "/api/models?" in request]
    assert [model.repository for model in models] == [f"acme/m{number}" for number in range(7)]
    assert len(asked) == 3
    assert all("text-generation" in request for request in asked)


def test_a_hub_that_has_been_asked_too_often_is_asked_again_at_a_later_look(tmp_path: Path) -> None:
    with HubServer() as hub:
        hub.status = 429
        with pytest.raises(ServiceError, match="refused with status 429") as refused:
            of(hub, tmp_path).models("acme", None)
    assert refused.value.transient
    assert len(hub.requests) == 1


def of(hub: HubServer, folder: Path) -> HuggingFaceHub:
    settings = HubSettings(endpoint=hub.endpoint, token="t")
    return HuggingFaceHub(settings, Store(root=folder / "store"))
