"""Corpora, traces and drift against the real MLflow (SQLite, and a server over HTTP) and Prefect."""

import json
import os
import random
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from quantgate.calibration.drift.sealing import EVENT, DriftEvent, sealed_events
from quantgate.calibration.shelf.assemble import build_corpus
from quantgate.calibration.shelf.sealing import read_sequences
from quantgate.calibration.specs.corpus_file import load_corpus_spec
from quantgate.flows.build.corpora.traces import ExportRecord, export_traces
from quantgate.flows.cli.corpus.corpora import build_from_spec
from quantgate.flows.cli.corpus.drift import DriftOptions, drift_command
from quantgate.flows.orchestration.events.drift import drifted
from quantgate.flows.orchestration.events.sending import emit
from quantgate.flows.orchestration.server.api import down, prefect_api
from quantgate.flows.orchestration.server.state import client_environment
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.files.sealed import read_manifest
from quantgate.registry import Tracking, lineage, lookup, record, record_corpus, still_recorded
from quantgate.registry.evidence import Evidence
from tests.support.registered.registries import Sample, evidence_of, tracking_in
from tests.support.schemas import require_schema

pytestmark = [
    pytest.mark.integration,
    # MLflow's own use of pydantic, pandas and unannotated types, on import and on loading a model.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SPEC = """
name: support
licence: MIT
sources:
  - path: traffic.jsonl
sequences: 150
"""
ASKED = (
    "where is my {0}, I have been waiting for it since {1}",
    "please change the {0} of my last purchase to the one from {1}",
    "I would like to return the {0} that arrived on {1} because it is damaged",
)
GERMAN = (
    "wo bleibt mein Paket, ich warte schon seit {1} und habe nichts gehört, bitte um Hilfe",
    "ich möchte die Ware zurückgeben, die am {1} beschädigt bei mir angekommen ist",
)


def _said(draw: random.Random, foreign: float) -> str:
    template = draw.choice(GERMAN if draw.random() < foreign else ASKED)
    subject = draw.choice(("order", "parcel", "refund", "invoice", "voucher"))
    day = draw.choice(("monday", "tuesday", "friday"))
    return f"{template.format(subject, day)}, number {draw.randint(10000, 99999)}"


def _rows(count: int, seed: int, foreign: float = 0.0) -> Iterator[list[dict[str, str]]]:
    draw = random.Random(seed)
    for _ in range(count):
        answer = json.dumps({"name": "look_up", "number": draw.randint(100, 999)})
        yield [
            {"role": "user", "content": _said(draw, foreign)},
            {"role": "assistant", "content": answer},
        ]


@pytest.fixture(params=["sqlite", "server"])
def tracking(request: pytest.FixtureRequest, tmp_path: Path) -> Tracking:
    here = tracking_in(tmp_path / "store")
    if request.param == "sqlite":
        return here
    return Tracking.resolve(here.store, uri=request.getfixturevalue("server"))


@pytest.fixture
def settings(tracking: Tracking, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("QUANTGATE_STORE", str(tracking.store.root))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.uri)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    return Settings.from_environment()


@pytest.fixture
def corpus(tmp_path: Path, tracking: Tracking) -> Corpus:
    rows = [json.dumps({"messages": messages}) for messages in _rows(400, seed=1)]
    (tmp_path / "traffic.jsonl").write_text("\n".join(rows))
    (tmp_path / "corpus.yaml").write_text(SPEC)
    return build_corpus(load_corpus_spec(tmp_path / "corpus.yaml"), tracking.store)


@pytest.fixture
def experiment(tracking: Tracking) -> str:
    """An experiment with traces, logged as applications log theirs."""
    import mlflow
    from mlflow import MlflowClient

    name = f"chat {tracking.store.root.parent.name}"
    artifacts = (tracking.store.root / "traces").as_uri() if tracking.database else None
    tracking.store.root.mkdir(exist_ok=True)
    mlflow.set_tracking_uri(tracking.uri)
    MlflowClient(tracking.uri).create_experiment(name, artifact_location=artifacts)
    mlflow.set_experiment(name)

    @mlflow.trace(span_type="CHAT_MODEL")  # type: ignore[untyped-decorator]  # MLflow's
    def complete(messages: list[dict[str, str]], answer: str) -> dict[str, object]:
        if answer == "error":
            raise ValueError("the model is not there")
        return {"choices": [{"message": {"role": "assistant", "content": answer}}]}

    @mlflow.trace(span_type="AGENT")  # type: ignore[untyped-decorator]  # MLflow's
    def agent(question: str, answer: str) -> str:
        mlflow.update_current_trace(metadata={"mlflow.trace.session": "one session"})
        complete([{"role": "user", "content": question}], answer)
        return answer

    for asked, answered in _rows(118, seed=2, foreign=0.25):
        complete([asked], answered["content"])
    agent("what is the first question", "that")
    agent("and another one", "this")
    with pytest.raises(ValueError, match="not there"):
        complete([{"role": "user", "content": "an error"}], "error")
    with mlflow.start_span("no chat") as span:
        span.set_inputs({"query": "select"})
    mlflow.flush_trace_async_logging()
    return name


def _evidence(corpus: Corpus, tracking: Tracking) -> Evidence:
    """A variant that passed and was calibrated on the corpus."""
    model = f"support-llama-{tracking.store.root.parent.name}"
    sample = Sample(model=model, corpus=corpus.label, corpus_digest=corpus.digest)
    return evidence_of(sample, tracking.store)


def test_a_corpus_is_found_by_its_digest(corpus: Corpus, tracking: Tracking) -> None:
    receipt = record_corpus(corpus, tracking, card={"licence": "MIT", "tokens": 9})
    assert record_corpus(corpus, tracking) == receipt
    assert still_recorded(receipt, tracking)

    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=tracking.uri)
    found = client.search_runs([receipt.experiment_id], f"dataset.digest = '{corpus.digest[:36]}'")
    assert receipt.run_id in [run.info.run_id for run in found]
    run = client.get_run(receipt.run_id)
    assert run.data.tags["corpus_digest"] == corpus.digest
    assert run.data.tags["card.licence"] == "MIT"
    given = run.inputs.dataset_inputs[0]
    assert {tag.key: tag.value for tag in given.tags}["sha256"] == corpus.digest


def test_traces_are_exported_once_by_content(
    experiment: str, settings: Settings, tracking: Tracking
) -> None:
    path = export_traces(experiment, settings)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(rows) == 120
    assert [message["role"] for message in rows[0]["messages"]] == ["user", "assistant"]
    found = read_manifest(path.parent, ExportRecord).record
    assert (found.traces, found.rows, found.failed, found.no_chat) == (122, 120, 1, 1)
    assert (found.unreadable, found.continued) == (0, 0)
    assert export_traces(experiment, settings) == path
    with pytest.raises(InputError, match="MLflow has no experiment 'chatt'"):
        export_traces("chatt", settings)


def test_a_corpus_of_traces_is_one_version_until_there_are_others(
    tmp_path: Path, experiment: str, settings: Settings
) -> None:
    spec = tmp_path / "traced.yaml"
    spec.write_text(
        f"name: traced\nsequences: 100\nsources: [{{mlflow: {{experiment: '{experiment}'}}}}]\n"
    )
    built = build_from_spec(spec, settings)
    assert (built.label, built.sequence_count) == ("traced@1", 100)
    assert build_from_spec(spec, settings) == built
    rows = list(read_sequences(built))
    assert {message.role for row in rows for message in row.messages} == {"user", "assistant"}
    assert any("ich warte schon" in row.messages[0].content for row in rows)

    import mlflow

    with mlflow.start_span("one more", span_type="CHAT_MODEL") as span:
        span.set_inputs({"messages": [{"role": "user", "content": "what is new since then"}]})
        span.set_outputs({"choices": [{"message": {"role": "assistant", "content": "this"}}]})
    mlflow.flush_trace_async_logging()
    spec.write_text(spec.read_text().replace("sequences: 100", "sequences: 121"))
    assert build_from_spec(spec, settings).label == "traced@2"


def test_drift_of_traced_traffic_is_recorded_and_shown_with_the_variant(
    corpus: Corpus,
    experiment: str,
    settings: Settings,
    tracking: Tracking,
    capsys: pytest.CaptureFixture[str],
) -> None:
    evidence = _evidence(corpus, tracking)
    record(evidence, tracking)
    options = DriftOptions(corpus="support", traffic=f"mlflow:{experiment}", as_json=True)
    assert drift_command(options) == 10
    printed = json.loads(capsys.readouterr().out)
    require_schema(
        {"schema": "quantgate.corpus-drift/1", **printed}
    )  # no command runs that says it
    assert printed["drift"]
    assert drift_command(options) == 10  # nothing is compared or recorded anew
    assert json.loads(capsys.readouterr().out) == printed
    (event,) = sealed_events(settings.store)
    assert event.corpus == corpus.label

    found = lookup(evidence.model, tracking_uri=tracking.uri)
    assert found.drift is not None
    assert (found.drift.decision, found.drift.key) == ("drift", event.result)
    traced = lineage(evidence.model, tracking_uri=tracking.uri)
    assert any(step.kind == "traffic since" for step in traced.steps)

    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=tracking.uri)
    home = client.get_experiment_by_name("corpora/support")
    runs = client.search_runs(
        [home.experiment_id],
        f"tags.kind = 'drift' and tags.drift_key = '{event.result}'",
    )
    assert len(runs) == 1
    assert runs[0].data.metrics["languages/effect"] > 0.01


def test_the_same_traffic_is_no_drift(
    tmp_path: Path, corpus: Corpus, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [json.dumps({"messages": messages}) for messages in _rows(300, seed=3)]
    today = tmp_path / "today.jsonl"
    today.write_text("\n".join(rows))
    assert drift_command(DriftOptions(corpus=corpus.label, traffic=str(today))) == 0
    assert "is still what went into corpus support@1" in capsys.readouterr().out
    assert sealed_events(settings.store) == ()


def test_the_event_reaches_the_stores_prefect_server_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    settings = Settings.from_environment({"QUANTGATE_STORE": str(tmp_path / "store")})
    event = DriftEvent(
        event=EVENT,
        id=str(uuid.uuid4()),
        occurred=datetime.now(UTC).isoformat(),
        corpus="support@1",
        corpus_name="support",
        corpus_digest=digest_of("corpus"),
        traffic="monday.jsonl",
        traffic_digest=digest_of("traffic"),
        result=digest_of("result"),
        alarms=("languages",),
        distance=3.0,
        alpha=0.01,
    )
    assert emit(drifted(event), settings) is None  # nobody listens, and no server is started for it
    try:
        with prefect_api(settings.store.root) as url:
            for name, value in client_environment(settings.store.root, url, os.environ).items():
                monkeypatch.setenv(name, value)  # and back, afterwards
            assert emit(drifted(event), settings) == url
            assert emit(drifted(event), settings) == url
            (found,) = _events(url)
    finally:
        down(settings.store.root)
    assert found["id"] == event.id
    assert found["resource"]["prefect.resource.id"] == "quantgate.corpus.support"
    assert found["payload"]["alarms"] == ["languages"]


def _events(url: str) -> list[Any]:
    """Ask the server's API until the event has reached its database."""
    asked = json.dumps({"filter": {"event": {"name": [EVENT]}}}).encode()
    request = Request(f"{url}/events/filter", asked, {"Content-Type": "application/json"})
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with urlopen(request, timeout=10) as answer:
            found: list[Any] = json.loads(answer.read())["events"]
        if found:
            return found
        time.sleep(0.5)
    pytest.fail("the event did not arrive")
