"""Checkpoints from a hub: resolved once, sealed, compared with its checksums, and errors that help."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.checkpoints.tools import CheckpointTools
from quantgate.pipelines.domain.architectures import ToolArchitectures
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError, InputError, ServiceError
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.source import HubSettings, HubSource, parse_hub_source
from quantgate.pipelines.process.calls import Progress
from tests.support.models.checkpoints import write_checkpoint
from tests.support.servers.hub import Fault, HubServer

REPOSITORY = "acme/support-llama"
WEIGHTS = "model.safetensors"


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


TOOL = ToolArchitectures(tool="a tool", label="a tool 1", names=frozenset({"LlamaForCausalLM"}))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    folder = write_checkpoint(tmp_path / "published")
    listed = {path.name: path.read_bytes() for path in folder.iterdir()}
    return listed | {"README.md": b"# card", "pytorch_model.bin": b"pickle", "run.py": b"evil()"}


def _resolve(source: str, hub: HubServer, store: Store) -> Checkpoint:
    return resolve_checkpoint(
        source,
        name=None,
        store=store,
        hub=HubSettings(endpoint=hub.endpoint, token="t"),
        tools=CheckpointTools(architectures=(TOOL,)),
    )


def test_a_branch_is_resolved_to_a_commit_and_only_wanted_files_are_fetched(
    hub: HubServer, files: dict[str, bytes], store: Store
) -> None:
    sha = hub.publish(REPOSITORY, files)
    checkpoint = _resolve(REPOSITORY, hub, store)
    assert checkpoint.source == f"{REPOSITORY}@{sha}"
    assert checkpoint.name == REPOSITORY.replace("/", "--")
    assert {path.name for path in checkpoint.folder.iterdir()} == {
        "config.json",
        "generation_config.json",
        "manifest.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert [entry.name for entry in checkpoint.folder.parent.glob(".*partial")] == []


def test_a_download_has_the_digests_of_the_folder_it_came_from(
    hub: HubServer, files: dict[str, bytes], store: Store, tmp_path: Path
) -> None:
    hub.publish(REPOSITORY, files)
    assert _resolve(REPOSITORY, hub, store).digests == (
        _resolve(str(tmp_path / "published"), hub, store).digests
    )


def test_a_pinned_commit_that_is_there_costs_no_request(
    hub: HubServer, files: dict[str, bytes], store: Store
) -> None:
    sha = hub.publish(REPOSITORY, files)
    first = _resolve(f"{REPOSITORY}@{sha}", hub, store)
    hub.requests.clear()
    assert _resolve(f"{REPOSITORY}@{sha}", hub, store) == first
    assert hub.requests == []


def test_a_branch_that_moved_gives_the_new_commit_and_keeps_the_old(
    hub: HubServer, files: dict[str, bytes], store: Store
) -> None:
    old = _resolve(f"{REPOSITORY}@{hub.publish(REPOSITORY, files)}", hub, store)
    hub.publish(REPOSITORY, files | {"chat_template.jinja": b"{{ messages }}"})
    new = _resolve(f"{REPOSITORY}@main", hub, store)
    assert new.digests.weights == old.digests.weights
    assert new.digests.chat_template != old.digests.chat_template
    assert old.folder.is_dir()
    weights = len(files[WEIGHTS])
    assert hub.served_bytes[WEIGHTS] == weights, "equal weights are not fetched again"
    assert (new.folder / WEIGHTS).samefile(old.folder / WEIGHTS), "nor kept twice"


def test_equal_weights_of_another_repository_are_not_fetched_again(
    hub: HubServer, files: dict[str, bytes], store: Store
) -> None:
    _resolve(f"{REPOSITORY}@{hub.publish(REPOSITORY, files)}", hub, store)
    mirror = _resolve(f"mirror/llama@{hub.publish('mirror/llama', files)}", hub, store)
    assert hub.served_bytes[WEIGHTS] == len(files[WEIGHTS])
    assert (mirror.folder / WEIGHTS).read_bytes() == files[WEIGHTS]


def test_weights_that_were_altered_here_are_fetched_anew(
    hub: HubServer, files: dict[str, bytes], store: Store
) -> None:
    old = _resolve(f"{REPOSITORY}@{hub.publish(REPOSITORY, files)}", hub, store)
    altered = old.folder / WEIGHTS
    altered.write_bytes(bytes(len(files[WEIGHTS])))
    os.utime(altered, (2**33, 2**33))
    hub.publish(REPOSITORY, files | {"chat_template.jinja": b"{{ messages }}"})
    new = _resolve(f"{REPOSITORY}@main", hub, store)
    assert (new.folder / WEIGHTS).read_bytes() == files[WEIGHTS]


def test_templates_in_a_folder_of_their_own_are_fetched_too(
    hub: HubServer, files: dict[str, bytes], store: Store
) -> None:
    name = "additional_chat_templates/tool_use.jinja"
    more = {"chat_template.jinja": b"d", name: b"t", "additional_chat_templates/x.py": b"no"}
    hub.publish(REPOSITORY, files | more)
    folder = _resolve(REPOSITORY, hub, store).folder
    assert (folder / name).read_bytes() == b"t"
    assert not (folder / "additional_chat_templates" / "x.py").exists()


def test_other_bytes_of_the_same_length_are_noticed_and_fetched_anew(
    hub: HubServer, files: dict[str, bytes], store: Store
) -> None:
    sha = hub.publish(REPOSITORY, files)
    hub.faults[WEIGHTS] = Fault(times=1, corrupt=True)
    with pytest.raises(ServiceError, match="other bytes than the hub lists") as refusal:
        _resolve(REPOSITORY, hub, store)
    assert refusal.value.transient
    assert not store.download(REPOSITORY, sha).exists()
    assert (_resolve(REPOSITORY, hub, store).folder / WEIGHTS).read_bytes() == files[WEIGHTS]


def test_other_bytes_in_a_small_file_are_noticed_by_its_git_blob(
    hub: HubServer, files: dict[str, bytes], store: Store
) -> None:
    hub.publish(REPOSITORY, files)
    hub.faults["config.json"] = Fault(times=1, corrupt=True)
    with pytest.raises(ServiceError, match=r"config\.json arrived with other bytes"):
        _resolve(REPOSITORY, hub, store)


def test_a_killed_download_goes_on_where_it_stopped(
    hub: HubServer, files: dict[str, bytes], store: Store
) -> None:
    """What a killed process leaves beside the place: whole files, and part of the weights."""
    sha = hub.publish(REPOSITORY, files)
    partial = store.download(REPOSITORY, sha).parent / f".{sha}.partial"
    partial.mkdir(parents=True)
    (partial / "config.json").write_bytes(files["config.json"])
    half = len(files[WEIGHTS]) // 2
    (partial / f"{WEIGHTS}.part").write_bytes(files[WEIGHTS][:half])
    checkpoint = _resolve(REPOSITORY, hub, store)
    assert (checkpoint.folder / WEIGHTS).read_bytes() == files[WEIGHTS]
    assert hub.served_bytes[WEIGHTS] == len(files[WEIGHTS]) - half
    assert "config.json" not in hub.served_bytes
    assert not partial.exists()


def test_damage_in_what_a_killed_download_left_is_noticed(
    hub: HubServer, files: dict[str, bytes], store: Store
) -> None:
    sha = hub.publish(REPOSITORY, files)
    partial = store.download(REPOSITORY, sha).parent / f".{sha}.partial"
    partial.mkdir(parents=True)
    (partial / f"{WEIGHTS}.part").write_bytes(bytes(1000))
    with pytest.raises(ServiceError, match="other bytes than the hub lists"):
        _resolve(REPOSITORY, hub, store)
    assert _resolve(REPOSITORY, hub, store)


def test_a_connection_that_breaks_once_is_taken_up_again(
    hub: HubServer, files: dict[str, bytes], store: Store
) -> None:
    hub.publish(REPOSITORY, files)
    hub.faults[WEIGHTS] = Fault(times=1, cut_after_bytes=1000)
    checkpoint = _resolve(REPOSITORY, hub, store)
    assert (checkpoint.folder / WEIGHTS).read_bytes() == files[WEIGHTS]


def test_progress_counts_bytes_to_the_last(
    hub: HubServer, files: dict[str, bytes], store: Store
) -> None:
    hub.publish(REPOSITORY, files)
    seen: list[Progress] = []
    settings = HubSettings(endpoint=hub.endpoint, token="t")
    resolve_checkpoint(REPOSITORY, name=None, store=store, hub=settings, on_progress=seen.append)
    last = [progress for progress in seen if progress.what.startswith("downloading")][-1]
    assert last.done == last.total > len(files[WEIGHTS])


def test_what_the_listing_gives_away_is_refused_before_any_file_is_fetched(
    hub: HubServer, files: dict[str, bytes], store: Store
) -> None:
    hub.publish(REPOSITORY, {k: v for k, v in files.items() if k != WEIGHTS})
    with pytest.raises(CheckpointError, match="only pickled weights"):
        _resolve(REPOSITORY, hub, store)
    assert not any("/resolve/" in request for request in hub.requests)


def test_an_unknown_architecture_is_refused_before_the_weights_are_fetched(
    hub: HubServer, files: dict[str, bytes], store: Store
) -> None:
    hub.publish(REPOSITORY, files | {"config.json": b'{"architectures": ["MambaForCausalLM"]}'})
    with pytest.raises(CheckpointError, match="MambaForCausalLM"):
        _resolve(REPOSITORY, hub, store)
    assert not any(WEIGHTS in request for request in hub.requests)


def test_an_unknown_repository_is_the_users_mistake(hub: HubServer, store: Store) -> None:
    with pytest.raises(InputError, match="no folder and no model of this name"):
        _resolve("acme/nothing", hub, store)


def test_an_unknown_revision_is_the_users_mistake(
    hub: HubServer, files: dict[str, bytes], store: Store
) -> None:
    hub.publish(REPOSITORY, files)
    with pytest.raises(InputError, match="has no revision 'v9'"):
        _resolve(f"{REPOSITORY}@v9", hub, store)


def test_a_gated_repository_says_how_to_get_access(
    hub: HubServer, files: dict[str, bytes], store: Store
) -> None:
    hub.publish(REPOSITORY, files)
    hub.repositories[REPOSITORY].gated = True
    with pytest.raises(ServiceError, match="is gated") as refusal:
        _resolve(REPOSITORY, hub, store)
    assert not refusal.value.transient
    assert "HF_TOKEN" in str(refusal.value.next_step)


@pytest.mark.parametrize(("status", "transient"), [(500, True), (429, True), (403, False)])
def test_a_refusing_hub_is_transient_only_where_waiting_helps(
    status: int, transient: bool, hub: HubServer, store: Store
) -> None:
    hub.status = status
    with pytest.raises(ServiceError, match=f"status {status}") as refusal:
        _resolve(REPOSITORY, hub, store)
    assert refusal.value.transient is transient


def test_an_unreachable_hub_is_a_transient_failure(store: Store) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
    settings = HubSettings(endpoint=endpoint, token="t")
    with pytest.raises(ServiceError, match="did not answer") as refusal:
        resolve_checkpoint(REPOSITORY, name=None, store=store, hub=settings)
    assert refusal.value.transient


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("acme/llama", HubSource(repository="acme/llama")),
        ("acme/llama-3.1_b@v1.0", HubSource(repository="acme/llama-3.1_b", revision="v1.0")),
        ("acme/llama@refs/pr/1", HubSource(repository="acme/llama", revision="refs/pr/1")),
        ("llama", None),
        ("./acme/llama", None),
        ("/acme/llama", None),
        ("a/b/c", None),
        ("acme/llama@", None),
        ("../llama", None),
    ],
)
def test_hub_names_are_told_from_paths(text: str, source: HubSource | None) -> None:
    assert parse_hub_source(text) == source


def test_only_a_full_commit_counts_as_pinned() -> None:
    assert HubSource(repository="a/b", revision="0" * 40).is_pinned
    assert not HubSource(repository="a/b", revision="0" * 39).is_pinned


def test_a_token_does_not_show_in_settings() -> None:
    assert "secret" not in repr(HubSettings(token="secret"))
