"""Proofs from a real MLflow, by the commands: attested, verified, carded, published, cleared away."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from huggingface_hub import constants

from quantgate.flows.build import units
from quantgate.flows.build.plan_files import write_plan
from quantgate.flows.build.verdicts import evidence
from quantgate.flows.cli.main import main
from quantgate.flows.cli.proofs.bundle import bundle_command, verify_judged_command
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import Tools
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.suites.digest import suite_digest
from quantgate.registry import record
from tests.support.builds.faked import faked_build
from tests.support.builds.faked import suite as exam
from tests.support.builds.walking import judged
from tests.support.fakes import FakeBackend, FakeRuntime
from tests.support.registered.registries import Sample, evidence_of, tracking_in
from tests.support.schemas import require_schema
from tests.support.servers.hub import HubServer

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore"),  # MLflow's and huggingface-hub's own
]
REFERENCE, REPOSITORY = "support-llama@support-desk", "acme/support-llama"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with its own registry: one variant that passed, and one that did not."""
    tracking = tracking_in(tmp_path_factory.mktemp("store"))
    record(evidence_of(Sample(size_bytes=40_000), tracking.store), tracking)
    failed = Sample(recipe="Q2_K", decision=Decision.FAIL)
    record(evidence_of(failed, tracking.store), tracking)
    return tracking.store.root


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # the stand-in speaks LFS alone
    with HubServer() as server:
        yield server


def quantgate(store: Path, *arguments: str, code: int = 0, endpoint: str = "") -> str:
    environment = {
        "QUANTGATE_STORE": str(store),
        "MLFLOW_TRACKING_URI": "",
        "HF_ENDPOINT": endpoint,
    }
    result = CliRunner().invoke(main, arguments, env=environment)
    assert result.exit_code == code, result.output
    return result.output


def test_an_attested_version_is_verified_by_the_key_that_is_trusted(
    store: Path, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    quantgate(store, "key", str(key))
    said = quantgate(store, "verify", REFERENCE, "--key", f"{key}.pub", code=2)
    assert "no attestation by the key" in said
    made = json.loads(quantgate(store, "attest", REFERENCE, "--key", str(key), "--json"))
    assert require_schema(made) == "quantgate.attest/1"
    statement = json.loads((Path(made["folder"]) / "statement" / "provenance.json").read_bytes())
    assert statement["predicate"]["runDetails"]["metadata"]["invocationId"]
    said = quantgate(store, "verify", REFERENCE, "--key", f"{key}.pub")
    assert f"signed by {made['signer']}, the key that was named" in said


def test_a_card_is_written_from_the_verdict_that_the_run_keeps(store: Path, tmp_path: Path) -> None:
    quantgate(store, "card", REFERENCE, "--repository", REPOSITORY, "--to", str(tmp_path))
    assert "base_model_relation: quantized" in (tmp_path / "README.md").read_text()
    assert (tmp_path / ".eval_results" / "quantgate.yaml").read_text().startswith("- dataset:")


def test_nothing_is_published_unless_it_was_agreed_to(store: Path, hub: HubServer) -> None:
    publish = ("publish", REFERENCE, "--to", REPOSITORY)
    said = quantgate(store, *publish, endpoint=hub.endpoint)
    assert "nothing was published: --yes publishes it without a question" in said
    listed = json.loads(quantgate(store, *publish, "--json", endpoint=hub.endpoint))
    assert require_schema(listed) == "quantgate.publish/1"
    quantgate(store, *publish, "--yes", "--dry-run", endpoint=hub.endpoint)
    assert hub.requests == []
    said = quantgate(store, *publish, "--yes", endpoint=hub.endpoint)
    assert f"published  {hub.endpoint}/{REPOSITORY}/commit/" in said
    repository = hub.repositories[REPOSITORY]
    published = repository.references["main"]
    assert "model.gguf" in repository.commits[published]
    said = quantgate(store, *publish, "--yes", endpoint=hub.endpoint)
    assert f"nothing has changed: {hub.endpoint}/{REPOSITORY}/commit/{published}" in said
    assert repository.references["main"] == published


def test_only_the_variant_that_is_not_registered_may_go(store: Path) -> None:
    said = json.loads(quantgate(store, "gc", "--older-than", "0d", "--json"))
    assert [Path(each["path"]).name.split("--")[1] for each in said["removable"]] == ["Q2_K"]
    assert [each["reason"] for each in said["kept"]] == ["support-llama/1 is registered"]


def test_a_judged_version_is_bundled_and_proved_where_nothing_else_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime(wrong={"Q8_0": {"i3"}}))
    suite = replace(exam(60), digest=suite_digest(exam(60), {}))
    runtime = here.tools.runtimes["llamacpp"]
    contracts = tuple(digest_of(to_json(s)) for s in (runtime.identity(None), runtime.schedule(1)))
    here = replace(here, plan=replace(here.plan, suite=suite, contracts=contracts))
    planned, store = here.plan.variants[0], here.settings.store
    write_plan(here.plan, store)
    units.build_files(here, planned)
    judged(here, planned)
    record(evidence(here, planned), tracking_in(store.root))
    monkeypatch.setenv("QUANTGATE_STORE", str(store.root))
    monkeypatch.setenv("QUANTGATE_THREADS", "3")  # others than it was built with
    monkeypatch.setenv("QUANTGATE_WORKERS", "1")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    file = tmp_path / "demo.bundle"

    def tools(settings: Settings, servers: Sequence[Server]) -> Tools:
        return here.tools

    assert bundle_command("demo@exam", file, as_json=True, wire_tools=tools) == 0
    written = json.loads(capsys.readouterr().out)
    assert require_schema({"schema": "quantgate.bundle/1", **written}) == "quantgate.bundle/1"
    assert verify_judged_command("demo@exam", as_json=False, wire_tools=tools) == 0
    assert "pass on exam@1, judged again from 3 transcripts of 60 items" in capsys.readouterr().out
    said = quantgate(tmp_path / "nothing", "verify", str(file))
    assert "demo/1 (demo--Q8_0): pass on exam@1, judged again from 3 transcripts" in said
    assert "nobody signed it" in said
    assert not (tmp_path / "nothing").exists()
