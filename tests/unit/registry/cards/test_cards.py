"""Model cards and publishing: what the hub's own classes read, what stays private, interruptions."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard, constants, parse_eval_result_entries

from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.source import HubSettings
from quantgate.registry import RegisteredVersion
from quantgate.registry.cards.card import CardContent, evaluation_results, model_card
from quantgate.registry.cards.publishing import (
    check_repository,
    publication,
    publish,
    published_artifact,
)
from quantgate.registry.evidence_facts import version_facts
from tests.support.registered.registries import Sample, evidence_of
from tests.support.servers.hub import HubServer

REPOSITORY = "acme/support-llama-Q4_K_M"


def content(store: Store, sample: Sample | None = None) -> CardContent:
    evidence = evidence_of(sample or Sample(size_bytes=40_000), store)
    version = RegisteredVersion(
        model="support-llama",
        version="3",
        aliases=(),
        run_id="r",
        facts=version_facts(evidence),
    )
    return CardContent(
        version=version,
        verdict=evidence.verdict,
        repository=REPOSITORY,
        artifact=published_artifact(version.folder),
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=tmp_path / "store")


def test_the_hubs_own_classes_read_the_card(store: Store) -> None:
    held = yaml.safe_load(ModelCard(model_card(content(store))).data.to_yaml())
    assert held["base_model"] == "org/base"
    assert held["base_model_relation"] == "quantized"
    assert held["pipeline_tag"] == "text-generation"
    (index,) = held["model-index"]
    metrics = [metric["name"] for each in index["results"] for metric in each["metrics"]]
    assert metrics == ["accuracy", "accuracy of the base"]
    assert index["results"][0]["dataset"]["type"] == "support-desk"


def test_results_are_those_of_the_verdict_slice_by_slice(store: Store) -> None:
    here = content(store)
    entries = parse_eval_result_entries(yaml.safe_load(evaluation_results(here)))
    whole = here.verdict.whole
    assert whole is not None
    assert [each.task_id for each in entries] == ["all", *(s.name for s in here.verdict.slices)]
    assert entries[0].value == pytest.approx(100 * whole.statistics.variant_accuracy)


def test_a_card_says_numerics_slices_limits_and_how_to_serve_and_reproduce(store: Store) -> None:
    text = model_card(content(store))
    for said in (
        "W4/A8/KV16", "| **all** |", "## Flips", "`support-traffic@1`", "too small to prove",
        f"llama-server --hf-repo {REPOSITORY} --hf-file model.gguf", "ollama create", "quantgate quantize",
    ):  # fmt: skip
        assert said in text, said
    assert str(store.root) not in text


def test_a_base_that_was_a_folder_stays_private(store: Store) -> None:
    here = content(store)
    facts = replace(here.version.facts, source="/home/somebody/secret-model")
    text = model_card(replace(here, version=replace(here.version, facts=facts)))
    assert "/home" not in text
    assert "base_model" not in text


def test_other_formats_are_served_by_vllm_sglang_and_transformers(store: Store) -> None:
    text = model_card(content(store, Sample(format=Format.COMPRESSED_TENSORS)))
    for said in ("vllm serve", "sglang.launch_server", "AutoModelForCausalLM", "hf download"):
        assert said in text


def test_cells_cannot_break_their_table(store: Store) -> None:
    here = content(store)
    facts = replace(here.version.facts, recipe="a|b\n<script>")
    text = model_card(replace(here, version=replace(here.version, facts=facts)))
    assert "a\\|b &lt;script>" in text


@pytest.fixture
def no_xet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in speaks LFS alone; constants of huggingface-hub are read from the environment."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)


@pytest.mark.usefixtures("no_xet")
@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # huggingface-hub's own call
def test_a_version_is_published_whole_in_one_commit(store: Store) -> None:
    here = content(store)
    what = publication(here, ())
    with HubServer() as hub:
        published = publish(what, HubSettings(endpoint=hub.endpoint, token="t"), "passed")
        repository = hub.repositories[REPOSITORY]
        held = repository.commits[repository.references["main"]]
    assert published.url.endswith(repository.references["main"])
    assert published.is_new
    assert set(held) == {
        "README.md", ".eval_results/quantgate.yaml", "quantgate/manifest.json", "model.gguf",
    }  # fmt: skip
    assert held["model.gguf"] == here.version.artifact.read_bytes()
    assert held["README.md"].decode() == model_card(here)
    assert json.loads(held["quantgate/manifest.json"])["files"][0]["path"] == "model.gguf"
    assert len(repository.commits) == 2  # the empty one, and this


@pytest.mark.usefixtures("no_xet")
@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # huggingface-hub's own call
def test_an_interrupted_try_shows_nothing_and_the_next_one_sends_the_rest(store: Store) -> None:
    here = content(store)
    what = publication(here, ())
    more = store.root / "more.gguf"
    more.write_bytes(b"y" * 30_000)
    what = replace(what, files={**what.files, "more.gguf": more})
    with HubServer() as hub:
        settings = HubSettings(endpoint=hub.endpoint, token="t")
        hub.uploads.left = 1
        with pytest.raises(ServiceError):
            publish(what, settings, "passed")
        repository = hub.repositories[REPOSITORY]
        assert repository.commits[repository.references["main"]] == {}
        (first,) = hub.uploads.sent
        hub.uploads.left = None
        publish(what, settings, "passed")
        digests = {file_digest(more), file_digest(here.version.artifact)}
        assert hub.uploads.sent == [first, *(digests - {first})]
        commits = dict(repository.commits)
        assert not publish(what, settings, "passed").is_new
        assert repository.commits == commits
        assert len(hub.uploads.sent) == 2


@pytest.mark.parametrize("name", ["", "name", "a/b/c", "a/b c", "../x/y", "-a/b"])
def test_names_that_no_repository_has_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="name"):
        check_repository(name)
