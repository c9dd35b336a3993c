"""MLflow's tables read by plain SQL: what is asked for, by keys alone; other schemas are left to MLflow."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.files.store import Store
from quantgate.registry.evidence_facts import version_facts
from quantgate.registry.facts import to_tags
from quantgate.registry.opening import open_light_reader
from quantgate.registry.protocol import RegistryReader, VersionQuery
from quantgate.registry.questions.lookups import find, find_all
from quantgate.registry.questions.wishes import LookupRequest
from quantgate.registry.reading.sqlite import sqlite_rows
from quantgate.registry.reading.tables import TablesReader
from tests.support.registered.mlflow_tables import SUITE, VARIANTS, Extent, write_tables
from tests.support.registered.registries import Sample, evidence_of, tracking_in

EXTENT = Extent(models=3, versions=2 * VARIANTS)
MODEL = "model-0001"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("registered")
    store = Store(root=folder)
    write_tables(folder / "mlflow.db", EXTENT, to_tags(version_facts(evidence_of(Sample(), store))))
    with closing(sqlite3.connect(folder / "mlflow.db")) as tables:
        tables.execute(
            "INSERT INTO registered_model_tags (name, key, value) VALUES (?, ?, ?)",
            (MODEL, "alias_change.1.x", '{"alias": "x", "before": null, "after": "3", "at": "2026", '
             '"reason": "better", "actor": "me"}'),
        )  # fmt: skip
        run = tables.execute("SELECT min(run_uuid) FROM runs").fetchone()[0]
        for key, text in (("kind", "corpus"), ("corpus_digest", "d"), ("card.rows", "5")):
            tables.execute(
                "INSERT INTO tags (key, run_uuid, value) VALUES (?, ?, ?)", (key, run, text)
            )
        tables.commit()
    return store


@pytest.fixture
def reader(store: Store) -> Iterator[RegistryReader]:
    with open_light_reader(tracking_in(store.root)) as reader:
        assert reader is not None
        yield reader


def test_a_version_has_its_tags_and_the_aliases_that_point_at_it(reader: RegistryReader) -> None:
    version = reader.alias_version(MODEL, SUITE)
    assert version is not None
    assert (version.number, version.aliases) == (str(VARIANTS + 1), (SUITE,))
    assert version.tags["size_bytes"] == "1000"
    other = reader.version(MODEL, "2")
    assert other is not None
    assert other.aliases == ()
    assert reader.version(MODEL, "99") is reader.alias_version(MODEL, "other") is None


def test_versions_are_asked_for_by_their_tags_newest_first(reader: RegistryReader) -> None:
    query = VersionQuery(model=MODEL, tags={"size_bytes": "2000"}, wanted=("size_bytes",))
    versions = reader.versions(query)
    assert [version.number for version in versions] == [str(VARIANTS + 2), "2"]
    assert versions[0].tags == {"size_bytes": "2000"}
    gathered = reader.versions(replace(query, wanted=("policy_digest",)))
    assert len(gathered[0].tags["policy_digest"]) == 64
    assert "size_bytes" not in gathered[0].tags
    every = VersionQuery(model=MODEL, tags={"verdict": "pass"}, limit=3)
    assert [len(version.tags) > 40 for version in reader.versions(every)] == [True, True, True]
    assert reader.versions(VersionQuery(model=MODEL, other_tags={"suite_name": (SUITE,)})) == ()
    assert reader.versions(VersionQuery(model="other")) == ()


def test_a_model_that_is_not_there_has_no_aliases_at_all(reader: RegistryReader) -> None:
    assert reader.aliases(MODEL) == {SUITE: str(VARIANTS + 1)}
    assert reader.aliases("other") is None
    assert reader.model_names("") == EXTENT.names


def test_runs_are_found_by_their_experiment_and_tags(reader: RegistryReader) -> None:
    (run,) = reader.tagged_runs("model-0000", {"kind": "corpus", "corpus_digest": "d"})
    assert run.tags["card.rows"] == "5"
    assert reader.tagged_runs("other", {"kind": "corpus"}) == ()


def test_changes_of_aliases_are_read_from_the_models_tags(reader: RegistryReader) -> None:
    (change,) = reader.alias_changes(MODEL)
    assert (change.alias, change.before, change.after, change.reason) == ("x", None, "3", "better")
    assert reader.alias_changes("model-0000") == ()


def test_a_deleted_version_is_not_there(store: Store, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes((store.root / "mlflow.db").read_bytes())
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as tables:
        tables.execute(
            "UPDATE model_versions SET current_stage = 'Deleted_Internal' WHERE version = 2"
        )
        tables.commit()
    with open_light_reader(tracking_in(tmp_path)) as reader:
        assert reader is not None
        assert reader.version(MODEL, "2") is None
        numbers = {version.number for version in reader.versions(VersionQuery(model=MODEL))}
    assert "2" not in numbers


def test_no_question_reads_a_table_through(store: Store) -> None:
    """Everything that look-ups, lineages, comparisons and builds ask is led by an index, as SQLite plans it.

    Names of models, read where one was misspelt, are read through: by their index, which holds nothing else.
    """
    plans: list[str] = []
    with sqlite_rows(store.root / "mlflow.db", shown="here") as rows:

        def planned(query: str, *values: str | int) -> list[Any]:
            plans.extend(step for *_, step in rows(f"EXPLAIN QUERY PLAN {query}", *values))
            return rows(query, *values)

        reader = TablesReader(planned, None)
        reader.alias_version(MODEL, SUITE)
        reader.aliases(MODEL)
        reader.versions(VersionQuery(model=MODEL, tags={"verdict": "pass", "scope": "s"}))
        others = {"suite_name": ("a", "b"), "passes.a": ("none",)}
        reader.versions(VersionQuery(model=MODEL, other_tags=others, limit=1))
        reader.versions(VersionQuery(model=MODEL, wanted=("size_bytes", "format")))
        reader.alias_changes(MODEL)
        reader.run_tags("0" * 32)
        reader.run_file("0" * 32, "verdict.json")
        reader.tagged_runs("model-0000", {"kind": "corpus", "corpus_digest": "d"})
        reader.first_content("support-desk@3")
        assert [step for step in plans if not step.startswith(("SEARCH", "USE TEMP"))] == []
        reader.model_names("model")
    assert [
        step for step in plans if step.startswith("SCAN") and "COVERING INDEX" not in step
    ] == []


def test_a_look_up_over_tables_finds_the_champion_or_what_is_wished_for(store: Store) -> None:
    tracking = tracking_in(store.root)
    champion = find(LookupRequest(model=MODEL), tracking)
    assert (champion.version, champion.sealed) == (str(VARIANTS + 1), True)
    small = find(LookupRequest(model=MODEL, suite=SUITE, format="GGUF", kv="F16"), tracking)
    assert small.version == champion.version
    assert len(find_all(LookupRequest(model=MODEL, max_size_bytes=3000), tracking)) == 6


@pytest.mark.parametrize("change", ["UPDATE alembic_version SET version_num = 'ffffffffffff'",
                                    "DROP TABLE alembic_version"])  # fmt: skip
def test_a_database_of_another_schema_is_left_to_mlflow(
    store: Store, tmp_path: Path, change: str
) -> None:
    (tmp_path / "mlflow.db").write_bytes((store.root / "mlflow.db").read_bytes())
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as tables:
        tables.execute(change)
        tables.commit()
    with open_light_reader(tracking_in(tmp_path)) as reader:
        assert reader is None


def test_what_is_no_database_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 100)
    with (
        pytest.raises(ServiceError, match="MLflow's database cannot be read") as caught,
        open_light_reader(tracking_in(tmp_path)),
    ):
        pass
    assert str(tmp_path) in str(caught.value)


def test_a_database_with_workspaces_or_of_another_kind_is_left_to_mlflow(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_WORKSPACE", "team-a")
    with open_light_reader(tracking_in(store.root)) as reader:
        assert reader is None
