"""The registry against the real MLflow: a SQLite database, and a server over HTTP."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.registry import Receipt, Tracking, lineage, lookup, record, still_recorded, verify
from quantgate.registry.lineage_tag import GATHERED, LINEAGE
from quantgate.registry.mlflow.tables import mlflow_tables
from quantgate.registry.opening import open_mlflow
from quantgate.registry.recording.suite_contents import registered_content
from tests.support.project import PROJECT
from tests.support.registered.registries import (
    SUITE,
    Sample,
    evidence_of,
    other_digest,
    tracking_in,
)
from tests.support.sqlite_rows import rows_of

pytestmark = [
    pytest.mark.integration,
    # MLflow's own use of pydantic, pandas and unannotated types, on import and on loading a model.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

MODEL = "support-llama"
SAMPLES = (
    Sample(recipe="Q8_0", size_bytes=8000, corpus=None),
    Sample(recipe="Q4_K_M--imatrix", size_bytes=4000, engine="llama-server"),
    Sample(
        recipe="W4A16", size_bytes=5000, engine="transformers", format=Format.COMPRESSED_TENSORS
    ),
    Sample(recipe="Q2_K", size_bytes=2000, decision=Decision.FAIL, broke=90),
    Sample(recipe="NVFP4", size_bytes=3000, decision=Decision.INCONCLUSIVE, broke=30),
)


def _named(tracking: Tracking, sample: Sample) -> Sample:
    """Give each test its own model on the shared server."""
    return replace(sample, model=f"{MODEL}-{tracking.store.root.parent.name}")


def _record_all(tracking: Tracking) -> tuple[Receipt, ...]:
    return tuple(
        record(evidence_of(_named(tracking, sample), tracking.store), tracking)
        for sample in SAMPLES
    )


def test_a_build_is_registered_looked_up_traced_loaded_and_verified(
    tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipts = _record_all(tracking)
    assert [receipt.version for receipt in receipts] == ["1", "2", "3", None, None]
    assert _record_all(tracking) == receipts
    model = receipts[0].model

    found = lookup(model, suite="support-desk", tracking_uri=tracking.uri)
    assert (found.facts.recipe, found.version) == ("Q4_K_M--imatrix", "2")
    assert found.aliases == ("support-desk",)
    verify(found)
    other = lookup(model, runtime="transformers", tracking_uri=tracking.uri)
    assert other.facts.recipe == "W4A16"
    traced = lineage(f"{model}@support-desk", tracking_uri=tracking.uri)
    assert "against calibration corpus support-traffic@1" in traced.describe().splitlines()[0]

    import mlflow

    mlflow.set_tracking_uri(tracking.uri)
    monkeypatch.setenv("QUANTGATE_SERVER", "http://127.0.0.1:9/v1")  # asked by nobody here
    loaded = mlflow.pyfunc.load_model(f"models:/{model}@support-desk")
    facts = loaded.get_raw_model().facts
    assert [facts[name] for name in ("artifact", "verdict", "format")] == [
        str(found.artifact), "pass", "gguf",
    ]  # fmt: skip
    found.artifact.write_bytes(found.artifact.read_bytes()[:-1] + b"?")
    with pytest.raises(Exception, match="the file was altered since the variant was registered"):
        mlflow.pyfunc.load_model(f"models:/{model}@support-desk")


def test_a_run_holds_metrics_inputs_and_files(tracking: Tracking) -> None:
    receipt = record(evidence_of(_named(tracking, SAMPLES[3]), tracking.store), tracking)

    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=tracking.uri)
    run = client.get_run(receipt.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == f"{receipt.model}--Q2_K"
    assert run.data.metrics["broke"] == 90
    assert run.data.metrics["slice/numeric copy/accuracy_reference"] == 383 / 403
    assert run.data.tags["verdict"] == "fail"
    inputs = {
        given.dataset.name: {tag.key: tag.value for tag in given.tags}
        for given in run.inputs.dataset_inputs
    }
    assert inputs["support-desk@3"]["sha256"] == SUITE.digest
    assert inputs["support-traffic@1"]["mlflow.data.context"] == "calibration"
    digest = inputs["support-traffic@1"]["sha256"][:36]
    by_corpus = client.search_runs([receipt.experiment_id], f"dataset.digest = '{digest}'")
    assert [found.info.run_id for found in by_corpus] == [receipt.run_id]
    files = {file.path for file in client.list_artifacts(receipt.run_id)}
    assert files == {"verdict.json", "audit.json", "variant.json", "slices.md"}


def test_a_version_says_what_it_is_where_it_came_from_and_what_it_was_measured_on(
    tracking: Tracking,
) -> None:
    receipt = record(evidence_of(_named(tracking, SAMPLES[1]), tracking.store), tracking)

    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=tracking.uri)
    version = client.get_model_version(receipt.model, "1")
    assert version.description.startswith("Passes the test suite support-desk@3 in llama-server")
    assert len(version.tags) == 21, "those that people filter by; the others are in one"
    assert "policy_digest" not in version.tags
    assert set(GATHERED) >= json.loads(version.tags[LINEAGE]).keys() > {"policy_digest"}
    assert f'load_model("models:/{receipt.model}/1")' in version.description
    assert "smallest version that passes" in client.get_registered_model(receipt.model).description
    (logged,) = client.search_logged_models([receipt.experiment_id])
    assert logged.source_run_id == receipt.run_id
    assert logged.status == "READY"
    measured = {metric.key: metric.dataset_name for metric in logged.metrics}
    assert measured["slice/tail/broke"] == "support-desk@3"
    assert measured["build_seconds"] is None
    run = client.get_run(receipt.run_id)
    assert [model.model_id for model in run.outputs.model_outputs] == [logged.model_id]
    assert "**pass**" in run.data.tags["mlflow.note.content"]


def test_a_version_whose_tags_were_all_apart_is_read_and_gathered_by_recording_it_again(
    tmp_path: Path,
) -> None:
    tracking = tracking_in(tmp_path / "store")
    evidence = evidence_of(SAMPLES[1], tracking.store)
    receipt = record(evidence, tracking)

    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=tracking.uri)
    held = dict(client.get_model_version(receipt.model, "1").tags)
    for key, text in json.loads(held[LINEAGE]).items():
        client.set_model_version_tag(receipt.model, "1", key, text)
    client.delete_model_version_tag(receipt.model, "1", LINEAGE)
    older = lookup(receipt.model, tracking_uri=tracking.uri)
    assert older.sealed and older.passed_over == ()
    record(evidence, tracking)
    assert client.get_model_version(receipt.model, "1").tags == held


def test_a_receipt_holds_exactly_as_long_as_the_registry_does(tracking: Tracking) -> None:
    passed, failed = (
        record(evidence_of(_named(tracking, sample), tracking.store), tracking)
        for sample in (SAMPLES[1], SAMPLES[3])
    )
    assert still_recorded(passed, tracking)
    assert still_recorded(failed, tracking)
    assert not still_recorded(replace(passed, version_key=other_digest("key")), tracking)
    assert not still_recorded(replace(passed, subject_key=other_digest("subject")), tracking)
    assert still_recorded(replace(passed, scope=other_digest("an older scope")), tracking)
    assert not still_recorded(replace(failed, run_id="0" * 32), tracking)

    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=tracking.uri)
    client.delete_registered_model_alias(passed.model, passed.alias)
    assert not still_recorded(passed, tracking)
    record(evidence_of(_named(tracking, SAMPLES[1]), tracking.store), tracking)
    assert still_recorded(passed, tracking)
    client.delete_model_version(passed.model, "1")
    client.delete_run(failed.run_id)
    assert not still_recorded(passed, tracking)
    assert not still_recorded(failed, tracking)


_RECORD_ONE = """
import sys
from pathlib import Path
from quantgate.registry import record
from tests.support.registered.registries import Sample, evidence_of, tracking_in
tracking = tracking_in(Path(sys.argv[1]))
sample = Sample(engine="llama-server")
print(record(evidence_of(sample, tracking.store), tracking).version)
"""


@pytest.mark.parametrize("decision", [Decision.PASS, Decision.FAIL])
def test_a_suites_version_is_one_content_for_all_stores_and_models(
    tracking: Tracking, decision: Decision, tmp_path: Path
) -> None:
    suite = replace(SUITE, name=f"suite-{decision.value}-{tracking.store.root.parent.name}")
    label, sample = f"{suite.name}@3", replace(_named(tracking, Sample()), suite=suite)
    assert registered_content(label, tracking) is open_mlflow(tracking).first_content(label) is None
    record(evidence_of(replace(sample, decision=decision), tracking.store), tracking)
    assert registered_content(label, tracking) == suite.digest
    assert open_mlflow(tracking).first_content(label) == suite.digest

    edited = replace(suite, digest=other_digest("suite"))
    other_store = Tracking.resolve(tracking_in(tmp_path / "other").store, uri=tracking.uri)
    other = replace(sample, model=f"{sample.model}-other", suite=edited)
    with pytest.raises(InputError, match="is another content in this registry"):
        record(evidence_of(other, other_store.store), other_store)
    raised = replace(other, suite=replace(edited, version=4))
    record(evidence_of(raised, other_store.store), other_store)
    assert registered_content(f"{suite.name}@4", tracking) == edited.digest


def test_two_processes_recording_the_same_variant_leave_one_version(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _RECORD_ONE, str(tmp_path / "store")],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
        )
        for _ in range(2)
    ]
    assert [process.communicate(timeout=120)[0].strip() for process in processes] == ["1", "1"]
    tracking = tracking_in(tmp_path / "store")
    opened = open_mlflow(tracking)
    assert len(opened.versions(MODEL, {})) == 1
    assert sorted(tracking.store.root.glob(".*staging*")) == []


def test_a_moved_store_keeps_its_models_and_files_and_writes_new_ones_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(  # MLflow remembers for each run where its artifacts lie, as long as a process lives
        [sys.executable, "-W", "ignore", "-c", _RECORD_ONE, str(tmp_path / "before")],
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        check=True,
    )
    (tmp_path / "before").rename(tmp_path / "now")
    now = tracking_in(tmp_path / "now")

    sample = Sample(recipe="Q2_K", size_bytes=2000, engine="llama-server")
    evidence = evidence_of(sample, now.store)
    newer = record(evidence, now)
    older = record(evidence_of(Sample(engine="llama-server"), now.store), now)
    assert (older.version, newer.version) == ("1", "2")
    assert not (tmp_path / "before").exists()

    import mlflow
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=now.uri)
    for run_id in (older.run_id, newer.run_id):
        assert {file.path for file in client.list_artifacts(run_id)} >= {"verdict.json"}
    mlflow.set_tracking_uri(now.uri)
    monkeypatch.setenv("QUANTGATE_SERVER", "http://127.0.0.1:9/v1")  # asked by nobody here
    for recipe, version in (("Q4_K_M--imatrix", older.version), ("Q2_K", newer.version)):
        facts = mlflow.pyfunc.load_model(f"models:/{MODEL}/{version}").get_raw_model().facts
        artifact = facts["artifact"]
        assert facts["recipe"] == recipe
        assert Path(artifact).is_relative_to(tmp_path / "now")
        assert Path(artifact).is_file()


_DIE_BEFORE = """
import os, signal, sys
from pathlib import Path
from quantgate.registry import record
from quantgate.registry.mlflow.tables import mlflow_tables
from quantgate.registry.opening import open_mlflow
from tests.support.registered.registries import Sample, evidence_of, tracking_in

class Dying:
    def __init__(self, tracking):
        self.inner = open_mlflow(tracking)
    def __getattr__(self, operation):
        if operation == sys.argv[2]:
            os.kill(os.getpid(), signal.SIGKILL)
        return getattr(self.inner, operation)

tracking = tracking_in(Path(sys.argv[1]))
record(evidence_of(Sample(), tracking.store), tracking, open_registry=Dying)
"""


@pytest.mark.slow  # test_registering_interrupted.py ends a build at some of its writes sooner
def test_killed_again_and_again_it_completes_with_one_run_and_one_version(tmp_path: Path) -> None:
    store = tmp_path / "store"
    for operation in ("fill_run", "add_model", "finish_run", "create_version", "point_alias",
                      "renew_model"):  # fmt: skip
        killed = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _DIE_BEFORE, str(store), operation],
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
            timeout=120,
        )
        assert killed.returncode == -signal.SIGKILL
    tracking = tracking_in(store)
    receipt = record(evidence_of(Sample(), tracking.store), tracking)
    assert still_recorded(receipt, tracking)
    assert len(open_mlflow(tracking).versions(MODEL, {})) == 1

    from mlflow import MlflowClient

    runs = MlflowClient(tracking_uri=tracking.uri).search_runs([receipt.experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"]


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("http://127.0.0.1:9", "does not answer"),
        ("postgresql://mlflow@127.0.0.1:9/mlflow", "the registry's database cannot be read"),
    ],
)
def test_nobody_listening_is_a_transient_service_error_within_seconds(
    tmp_path: Path, uri: str, said: str
) -> None:
    store = tracking_in(tmp_path / "store").store
    tracking = Tracking.resolve(store, uri=uri)
    started = time.monotonic()
    with pytest.raises(ServiceError, match=said) as caught:
        record(evidence_of(Sample(), store), tracking)
    assert caught.value.transient
    assert caught.value.where == uri
    assert time.monotonic() - started < 30


def test_a_damaged_database_is_a_service_error_that_names_it(tmp_path: Path) -> None:
    tracking = tracking_in(tmp_path / "store")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "mlflow.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(ServiceError, match="MLflow") as caught:
        lookup(MODEL, tracking_uri=tracking.uri)
    assert str(tmp_path) in str(caught.value)
    receipt = Receipt(
        uri=tracking.uri,
        evidence_key="e",
        version_key="v",
        scope="s",
        decision="fail",
        model=MODEL,
        alias="support-desk",
        experiment_id="1",
        run_id="r",
        version=None,
    )
    assert not still_recorded(receipt, tracking)


OPEN = """
import sys
from pathlib import Path
from quantgate.pipelines.files.store import Store
from quantgate.registry.mlflow.client import MlflowRegistry
from quantgate.registry.tracking import Tracking
print("ready", flush=True)
sys.stdin.readline()
registry = MlflowRegistry(Tracking.resolve(Store(root=Path(sys.argv[1])), uri=sys.argv[2]))
registry.experiment("shared")
print("opened")
"""


def test_stores_that_open_a_fresh_database_at_once_do_not_break_each_other(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'shared' / 'mlflow.db'}"
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, str(tmp_path / name), uri],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=PROJECT,
        )
        for name in ("one", "other")
    ]
    for program in programs:  # MLflow is imported by both before either goes on
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("go\n")
        program.stdin.flush()
    ended = [program.communicate(timeout=300) for program in programs]
    assert [output.strip() for output, _ in ended] == ["opened", "opened"], ended
    empty = rows_of(mlflow_tables().folder / "empty.db")
    assert empty.keys() == {
        "alembic_version",
        "workspaces",
    }  # the workspace is `default` everywhere
    assert rows_of(tmp_path / "shared" / "mlflow.db")["alembic_version"] == empty["alembic_version"]
