"""A base on a hub by `hub:`: a checkpoint of that name, or the one GGUF model that fits."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from quantgate.pipelines.checkpoints.hub_places import HubPlace, hub_place
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.checkpoints.tools import CheckpointTools, OpenedGguf
from quantgate.pipelines.domain.checkpoint import GgufOrigin
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.process.calls import OnProgress, ignore_progress
from tests.support.models.checkpoints import write_checkpoint
from tests.support.servers.hub import HubServer

NAME = "acme/Demo-GGUF"


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        server.publish(
            NAME,
            {
                "Demo-F16.gguf": b"GGUF",
                "Demo-Q8_0.gguf": b"GGUF8",
                "large/Demo-BF16-00001-of-00002.gguf": b"GGUF1",
                "large/Demo-BF16-00002-of-00002.gguf": b"GGUF2",
            },
        )
        folder = {"config.json": b"{}", "model.safetensors": b"weights"}
        server.publish("acme/Demo", folder)
        yield server


def place(text: str, hub: HubServer, store: Store) -> HubPlace:
    settings = HubSettings(endpoint=hub.endpoint, token="t")
    return hub_place(text, store=store, hub=settings, on_progress=ignore_progress)


def test_a_pattern_picks_a_gguf_file(hub: HubServer, store: Store) -> None:
    sha = hub.repositories[NAME].references["main"]
    found = place(f"hub:{NAME}:*-F16.gguf", hub, store)
    assert found.source == f"hub:{NAME}@{sha}:Demo-F16.gguf"
    assert found.gguf is not None
    assert found.gguf.read_bytes() == b"GGUF"
    assert "Demo-Q8_0.gguf" not in hub.served_bytes


def test_parts_are_one_model_whichever_is_named(hub: HubServer, store: Store) -> None:
    found = place(f"hub:{NAME}:*BF16*00002*", hub, store)
    assert found.gguf is not None
    assert found.gguf.name == "Demo-BF16-00001-of-00002.gguf"
    assert found.gguf.with_name("Demo-BF16-00002-of-00002.gguf").is_file()


def test_a_checkpoint_is_what_it_is_without_hub_before_it(hub: HubServer, store: Store) -> None:
    assert place("hub:acme/Demo@main", hub, store) == HubPlace(source="acme/Demo@main", gguf=None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"hub:{NAME}", "3 GGUF models fit"),
        (f"hub:{NAME}:*Q2*", "0 GGUF models fit"),
        ("hub:Demo", "is not hub:org/name"),
        ("hub:acme/Nothing:*.gguf", "acme/Nothing"),
    ],
)
def test_a_place_that_is_not_one_base_is_refused(
    text: str, reason: str, hub: HubServer, store: Store
) -> None:
    with pytest.raises(InputError) as refusal:
        place(text, hub, store)
    assert reason in str(refusal.value)
    assert refusal.value.next_step


def test_the_base_says_where_it_was_found(hub: HubServer, store: Store, tmp_path: Path) -> None:
    made, opened = write_checkpoint(tmp_path / "made"), list[Path]()

    def open_gguf(
        file: Path, _expansion: str | None, _store: Store, _on_progress: OnProgress
    ) -> OpenedGguf:
        opened.append(file)
        origin = GgufOrigin(file=file, sha256=digest_of("file"), file_type="F16")
        return OpenedGguf(folder=made, name="Demo-F16", origin=origin)

    checkpoint = resolve_checkpoint(
        f"hub:{NAME}:Demo-F16.gguf",
        name=None,
        store=store,
        hub=HubSettings(endpoint=hub.endpoint, token="t"),
        tools=CheckpointTools(open_gguf=open_gguf),
    )
    sha = hub.repositories[NAME].references["main"]
    assert checkpoint.source == f"hub:{NAME}@{sha}:Demo-F16.gguf"
    assert (checkpoint.name, checkpoint.folder) == ("acme--Demo-F16", made)
    assert [file.name for file in opened] == ["Demo-F16.gguf"]
