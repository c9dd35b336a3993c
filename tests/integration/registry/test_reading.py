"""Registries read without MLflow: what three real ones answer is what MLflow itself would say."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.registry import Tracking, compare, history, lineage, lookup, lookup_all, record
from quantgate.registry.mlflow.client import MlflowRegistry
from quantgate.registry.mlflow.reader import MlflowReader
from quantgate.registry.opening import open_light_reader
from quantgate.registry.protocol import RegistryReader, VersionQuery
from quantgate.registry.reading.schema import KNOWN_REVISIONS
from tests.support.project import PROJECT
from tests.support.registered.mlflow_tables import SCHEMA
from tests.support.registered.registries import Sample, evidence_of, tracking_in
from tests.support.servers.mlflow_served import (
    ADMIN,
    PASSWORD,
    guarded_mlflow,
    postgresql,
    served_mlflow,
)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

MODEL = "support-llama"
SAMPLES = (
    Sample(recipe="Q8_0", size_bytes=8000, corpus=None),
    Sample(recipe="Q4_K_M--imatrix", size_bytes=4000),
    Sample(recipe="W4A16", size_bytes=5000, engine="transformers"),
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "server"])
def tracking(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tracking]:
    """A registry of each kind with three versions, which a store of its own registered."""
    folder = tmp_path_factory.mktemp(request.param)
    here = tracking_in(folder / "store")
    if request.param == "sqlite":
        yield filled(here)
    elif request.param == "server":
        with served_mlflow(folder) as uri:
            yield filled(Tracking.resolve(here.store, uri=uri))
    else:
        with postgresql() as uri:
            yield filled(Tracking.resolve(here.store, uri=uri))


def filled(tracking: Tracking) -> Tracking:
    for sample in SAMPLES:
        record(evidence_of(sample, tracking.store), tracking)
    return tracking


@pytest.fixture
def reader(tracking: Tracking) -> Iterator[RegistryReader]:
    with open_light_reader(tracking) as reader:
        assert reader is not None
        yield reader


def test_what_is_read_is_what_mlflow_says(tracking: Tracking, reader: RegistryReader) -> None:
    through_mlflow = MlflowReader(MlflowRegistry(tracking))
    champion = reader.alias_version(MODEL, "support-desk")
    assert champion is not None
    same = through_mlflow.alias_version(MODEL, "support-desk")
    assert same is not None and same.description.startswith("Passes the test suite support-desk@3")
    assert champion == replace(same, description=""), "look-ups do not show it"
    assert champion.aliases == ("support-desk",)
    first = through_mlflow.version(MODEL, "1")
    assert first is not None and reader.version(MODEL, "1") == replace(first, description="")
    assert reader.version(MODEL, "99") is through_mlflow.version(MODEL, "99") is None
    for query in (
        VersionQuery(model=MODEL),
        VersionQuery(model=MODEL, tags={"runtime_engine": "llama.cpp", "verdict": "pass"}, limit=1),
        VersionQuery(model=MODEL, other_tags={"suite_name": ("support-desk",)}),
        VersionQuery(model=MODEL, tags={"scope": "of none"}),
        VersionQuery(model="other"),
    ):
        assert [(v.number, v.run_id, v.tags) for v in reader.versions(query)] == [
            (v.number, v.run_id, v.tags) for v in through_mlflow.versions(query)
        ]
    assert reader.aliases(MODEL) == through_mlflow.aliases(MODEL) == {"support-desk": "2"}
    assert reader.aliases("other") is through_mlflow.aliases("other") is None
    assert reader.run_tags(champion.run_id) == through_mlflow.run_tags(champion.run_id)
    assert reader.run_tags("0" * 32) == through_mlflow.run_tags("0" * 32) == {}
    assert MODEL in reader.model_names("support")
    assert reader.tagged_runs(MODEL, {"recipe": "Q8_0"}) == through_mlflow.tagged_runs(
        MODEL, {"recipe": "Q8_0"}
    )
    assert reader.first_content("support-desk@3") == through_mlflow.first_content("support-desk@3")
    kept = reader.run_file(champion.run_id, "verdict.json")
    assert kept is not None
    assert json.loads(kept)["decision"] == "pass"
    assert kept == through_mlflow.run_file(champion.run_id, "verdict.json")
    assert reader.run_file(champion.run_id, "none.json") is None


def test_every_question_is_answered(tracking: Tracking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANTGATE_STORE", str(tracking.store.root))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.uri)
    assert lookup(MODEL).version == lookup(MODEL, suite="support-desk", kv="f16").version == "2"
    assert lookup(MODEL, runtime="Transformers").version == "3"
    assert [version.version for version in lookup_all(MODEL)] == ["2", "3", "1"]
    assert "against calibration corpus support-traffic@1" in lineage(f"{MODEL}@support-desk").answer
    entries = history(MODEL).versions
    assert [entry.version for entry in entries] == ["3", "2", "1"]
    assert all(entry.facts is not None and entry.registered_at for entry in entries)
    comparison = compare(f"{MODEL}/1", f"{MODEL}/2")
    assert comparison.items == ()
    assert "size_bytes" in {fact.name for fact in comparison.facts}


LISTED = """
import json, sys
from quantgate.flows.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "command",
    [
        ("lookup", MODEL, "--suite", "support-desk", "--max-size", "1GB"),
        ("lookup", MODEL, "--all", "--json"),
        ("lineage", f"{MODEL}@support-desk"),
        ("history", MODEL),
        ("compare", f"{MODEL}/1", f"{MODEL}/2"),
        ("verify", f"{MODEL}@support-desk", "--quick"),
    ],
    ids=lambda command: command[0],
)
def test_commands_import_neither_mlflow_nor_pandas_nor_numpy(
    tracking: Tracking, command: tuple[str, ...]
) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", LISTED, *command],
        env=os.environ
        | {"QUANTGATE_STORE": str(tracking.store.root), "MLFLOW_TRACKING_URI": tracking.uri},
        capture_output=True,
        text=True,
        cwd=PROJECT,
    )
    assert finished.returncode == 0, finished.stderr
    modules = set(json.loads(finished.stderr.splitlines()[-1]))
    heavy = {"mlflow", "pandas", "numpy", "sqlalchemy", "requests", "rich", "yaml", "torch"}
    assert heavy & modules == set()


def test_the_schema_of_the_installed_mlflow_is_known_and_has_the_keys_that_are_gone_by(
    tmp_path: Path,
) -> None:
    tracking = tracking_in(tmp_path)
    MlflowRegistry(tracking)
    assert tracking.database is not None
    with (
        closing(sqlite3.connect(tracking.database)) as real,
        closing(sqlite3.connect(":memory:")) as ours,
    ):
        (revision,) = real.execute("SELECT version_num FROM alembic_version").fetchone()
        assert revision in KNOWN_REVISIONS
        ours.executescript(SCHEMA)
        tables = [
            name for (name,) in ours.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for table in tables:
            assert columns(ours, table) <= columns(real, table), table
            assert keys(ours, table) <= keys(real, table), table


def columns(tables: sqlite3.Connection, table: str) -> set[str]:
    return {name for _, name, *_ in tables.execute(f"PRAGMA table_info({table})")}


def keys(tables: sqlite3.Connection, table: str) -> set[tuple[str, ...]]:
    """Return the columns of every index of a table, in their order."""
    indexes = [name for _, name, *_ in tables.execute(f"PRAGMA index_list({table})")]
    return {
        tuple(column for *_, column in tables.execute(f"PRAGMA index_info('{name}')"))
        for name in indexes
    }


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that asks for user and password."""
    folder = tmp_path_factory.mktemp("guarded")
    with guarded_mlflow(folder) as uri:
        yield uri


def test_a_server_with_logins_answers_the_right_one_and_refuses_the_others_in_one_line(
    guarded: str, tmp_path: Path
) -> None:
    store = tracking_in(tmp_path / "store").store
    logged_in = guarded.replace("http://", f"http://{ADMIN}:{PASSWORD}@")
    tracking = Tracking.resolve(store, uri=logged_in)
    record(evidence_of(replace(SAMPLES[0], model="guarded"), store), tracking)
    assert lookup("guarded", tracking_uri=logged_in).version == "1"
    with pytest.raises(ServiceError, match="refused the login \\(401\\)") as caught:
        lookup("guarded", tracking_uri=logged_in.replace(PASSWORD, "wrong-password"))
    assert "wrong-password" not in str(caught.value)
    assert not caught.value.transient
    with pytest.raises(ServiceError, match="refused the login"):
        lookup("guarded", tracking_uri=guarded)
