"""Places on a hub: patterns, parts, checksums, and nothing fetched that is no quant."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import CheckpointError, InputError, ServiceError
from quantgate.pipelines.domain.foreign import ForeignOptions
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.variants.foreign.on_hub import headers_alone
from tests.support.llamacpp.gguf_writing import write_gguf, write_parts
from tests.support.models.checkpoints import write_checkpoint
from tests.support.models.foreign import SAID, planned, shapes, write_quant, write_quantized_folder
from tests.support.servers.hub import Fault, HubServer

SHELF, FOLDER = "acme/Demo-GGUF", "acme/Demo-FP8"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    files = tmp_path / "files"
    files.mkdir()
    write_quant(files / "Demo-Q8_0.gguf")
    write_quant(files / "Demo-Q4_0.gguf", kind="Q4_0")
    write_quant(files / "Demo-BF16.gguf", kind="BF16")
    write_quant(files / "mmproj-Demo-Q8_0.gguf", {"general.architecture": "clip"})
    published = {file.name: file.read_bytes() for file in files.iterdir()}
    parts = write_parts(files, "Demo-Q5_0", SAID, shapes("Q5_0"), 2)
    published |= {f"Q5_0/{part.name}": part.read_bytes() for part in parts}
    folder = write_quantized_folder(write_checkpoint(tmp_path / "demo"), tmp_path / "fp8")
    with HubServer() as server:
        server.publish(SHELF, {**published, "README.md": b"# card", "config.json": b"{}"})
        server.publish(FOLDER, {file.name: file.read_bytes() for file in folder.iterdir()})
        yield server


def asked(
    text: str, hub: HubServer, store: Store, said: list[str] | None = None
) -> tuple[Recipe, ...]:
    heard = said if said is not None else []
    return planned(
        text, store=store, hub=HubSettings(endpoint=hub.endpoint, token="t"), say=heard.append
    )


def options_of(recipe: Recipe) -> ForeignOptions:
    assert isinstance(recipe.options, ForeignOptions)
    return recipe.options


def test_a_pattern_is_every_quant_that_it_fits(hub: HubServer, store: Store) -> None:
    said: list[str] = []
    recipes = asked(f"hub:{SHELF}:*.gguf", hub, store, said)
    assert sorted(recipe.name for recipe in recipes) == [
        "foreign--Q4_0",
        "foreign--Q5_0",
        "foreign--Q8_0",
    ]
    assert f"{SHELF}: Demo-BF16.gguf is left out, BF16 is no quant" in said
    assert f"{SHELF}: mmproj-Demo-Q8_0.gguf is left out, for it is no model of text" in said
    assert not any("BF16" in name or "mmproj" in name for name in hub.served_bytes)


def test_where_a_file_was_found_names_commit_and_file(hub: HubServer, store: Store) -> None:
    (recipe,) = asked(f"hub:{SHELF}:*Q5_0*", hub, store)
    sha = hub.repositories[SHELF].references["main"]
    options = options_of(recipe)
    assert options.source == f"hub:{SHELF}@{sha}:Q5_0/Demo-Q5_0-00001-of-00002.gguf"
    assert [file.sha256 for file in options.files] == [
        file_digest(file.path) for file in options.files
    ]


def test_a_folder_of_a_repository_is_one_variant(hub: HubServer, store: Store) -> None:
    (recipe,) = asked(f"hub:{FOLDER}", hub, store)
    sha = hub.repositories[FOLDER].references["main"]
    assert (recipe.name, options_of(recipe).source) == ("foreign--FP8", f"hub:{FOLDER}@{sha}")


def test_a_pinned_revision_that_is_there_costs_no_request(hub: HubServer, store: Store) -> None:
    sha = hub.repositories[SHELF].references["main"]
    first = asked(f"hub:{SHELF}@{sha}:*Q4_0.gguf", hub, store)
    hub.requests.clear()
    assert asked(f"hub:{SHELF}@{sha}:*Q4_0.gguf", hub, store) == first
    assert hub.requests == []


def test_a_file_of_other_bytes_than_the_hub_lists_is_refused(hub: HubServer, store: Store) -> None:
    hub.faults["Demo-Q4_0.gguf"] = Fault(times=1, corrupt=True)
    with pytest.raises(ServiceError, match="arrived with other bytes than the hub lists"):
        asked(f"hub:{SHELF}:*Q4_0.gguf", hub, store)
    assert len(asked(f"hub:{SHELF}:*Q4_0.gguf", hub, store)) == 1


def test_a_download_that_was_altered_since_is_refused(hub: HubServer, store: Store) -> None:
    (recipe,) = asked(f"hub:{SHELF}:*Q4_0.gguf", hub, store)
    file = options_of(recipe).files[0].path
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match="a sealed file was altered"):
        asked(f"hub:{SHELF}:*Q4_0.gguf", hub, store)


@pytest.mark.parametrize(
    ("place", "reason", "hint"),
    [
        (f"hub:{SHELF}:*Q6_K.gguf", "no GGUF file matches", "Demo-Q"),
        (f"hub:{SHELF}", "holds 5 GGUF models", "add a pattern"),
        ("hub:acme", r"is not hub:org/name\[@revision\]", "name a repository"),
        ("hub:acme/nowhere:*.gguf", "no model of this name", "check the spelling"),
        (f"hub:{SHELF}@v9:*.gguf", "has no revision 'v9'", "full commit"),
    ],
)
def test_names_that_lead_nowhere_are_refused_with_what_is_there(
    place: str, reason: str, hint: str, hub: HubServer, store: Store
) -> None:
    with pytest.raises(InputError, match=reason) as refused:
        asked(place, hub, store)
    assert hint in str(refused.value)


def test_a_repository_that_lacks_a_part_is_refused(hub: HubServer, store: Store) -> None:
    commit = hub.repositories[SHELF].commits[hub.repositories[SHELF].references["main"]]
    del commit["Q5_0/Demo-Q5_0-00002-of-00002.gguf"]
    with pytest.raises(CheckpointError, match="has 1 of the 2 parts"):
        asked(f"hub:{SHELF}:*Q5_0*", hub, store)


def test_a_path_that_leaves_the_repository_is_refused(hub: HubServer, store: Store) -> None:
    hub.publish("acme/evil", {"../../x.gguf": b"GGUF"})
    with pytest.raises(ServiceError, match="by a path that leaves it"):
        asked("hub:acme/evil:*.gguf", hub, store)


def test_pickles_and_formats_that_nothing_loads_are_refused_before_weights_are_fetched(
    hub: HubServer, store: Store
) -> None:
    hub.publish("acme/pickled", {"pytorch_model.bin": b"x", "config.json": b"{}"})
    with pytest.raises(CheckpointError, match="only pickled weights"):
        asked("hub:acme/pickled", hub, store)
    config = b'{"quantization_config": {"quant_method": "bitsandbytes"}}'
    files = {"model.safetensors": b"x" * 20_000, "config.json": config, "tokenizer.json": b"{}"}
    hub.publish("acme/bnb", files)
    with pytest.raises(CheckpointError, match="bitsandbytes"):
        asked("hub:acme/bnb", hub, store)
    assert "model.safetensors" not in hub.served_bytes


LARGE, FEW_BYTES = "acme/Large-GGUF", 5 << 20


@pytest.mark.parametrize("tokens", [10, 400_000], ids=["a short header", "a long vocabulary"])
def test_a_plan_reads_headers_and_fetches_no_weights(
    tokens: int, hub: HubServer, store: Store, tmp_path: Path
) -> None:
    said = {**SAID, "tokenizer.ggml.tokens": [f"t{number}" for number in range(tokens)]}
    more = {"blk.0.large.weight": ("Q8_0", (8192, 4096))}
    file = write_gguf(tmp_path / "Demo-Q8_0.gguf", said, {**shapes(), **more})
    sha = hub.publish(LARGE, {file.name: file.read_bytes()})
    settings = HubSettings(endpoint=hub.endpoint, token="t")
    place = f"hub:{LARGE}@{sha}:*.gguf"
    (planned_recipe,) = planned(place, store=store, hub=settings, fetch=headers_alone)
    assert hub.served_bytes[file.name] < (FEW_BYTES if tokens == 10 else 5 * FEW_BYTES)
    assert hub.served_bytes[file.name] < file.stat().st_size
    head = options_of(planned_recipe).files[0]
    assert (head.sha256, head.size_bytes) == (file_digest(file), file.stat().st_size)
    assert head.path.stat().st_blocks * 512 < file.stat().st_size
    served = hub.served_bytes[file.name]
    assert planned(place, store=store, hub=settings, fetch=headers_alone) == (planned_recipe,)
    assert hub.served_bytes[file.name] == served
    (recipe,) = planned(place, store=store, hub=settings)
    fetched = options_of(recipe).files[0]
    assert fetched.path != head.path
    there = replace(options_of(recipe), files=(replace(fetched, path=head.path),))
    assert replace(recipe, options=there) == planned_recipe


def test_small_files_without_a_checksum_are_fetched_for_a_plan(
    hub: HubServer, store: Store, tmp_path: Path
) -> None:
    file = write_gguf(tmp_path / "Demo-Q8_0.gguf", SAID, {"token_embd.weight": ("Q8_0", (4, 32))})
    hub.publish(LARGE, {file.name: file.read_bytes()})
    settings = HubSettings(endpoint=hub.endpoint, token="t")
    (recipe,) = planned(f"hub:{LARGE}", store=store, hub=settings, fetch=headers_alone)
    assert options_of(recipe).files[0].sha256 == file_digest(file)
