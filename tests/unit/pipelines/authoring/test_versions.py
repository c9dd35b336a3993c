"""`suite@version` is one content: an edited suite under a judged version is refused, `--bump` raises it."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from quantgate.flows.build.preflight.suite_contents import refuse_other_content
from quantgate.flows.cli.main import main
from quantgate.flows.settings import Settings
from quantgate.pipelines.authoring.check import check_suite
from quantgate.pipelines.authoring.versions import bump, edited, refuse_edited, remember
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Item, Message
from quantgate.pipelines.domain.values import JsonObject, JsonValue, digest_of
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.suites.digest import digested_items
from quantgate.pipelines.suites.load import load_suite
from tests.support.registered.mlflow_tables import REVISION, SCHEMA

SUITE = (
    "name: demo\nversion: 1  # raise me\ngrader: exact\ndecode: {max_tokens: 8}\nslices: {a: {}}\n"
)


def write(folder: Path, expected: str = "4", suite: str = SUITE) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "suite.yaml").write_text(suite)
    row = {"id": "1", "prompt": "2+2?", "expected": expected, "slices": ["a"]}
    (folder / "items.jsonl").write_text(json.dumps(row) + "\n")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=tmp_path / "store")


def test_an_edited_suite_under_a_judged_version_is_refused_with_both_digests(
    tmp_path: Path, store: Store
) -> None:
    before = load_suite(write(tmp_path / "suite"))
    refuse_edited(before, store)
    remember(before, store)
    refuse_edited(before, store)
    after = load_suite(write(tmp_path / "suite", expected="5"))
    with pytest.raises(InputError) as refused:
        refuse_edited(after, store)
    assert before.digest[:12] in str(refused.value)
    assert after.digest[:12] in str(refused.value)
    assert "raise its version to 2" in str(refused.value)
    remember(after, store)
    assert edited(before, store) is None, "what was judged first stays what the version is"


def registered(store: Store, *runs: tuple[str, str, str]) -> Settings:
    """Settings with a registry of runs (suite, digest, status), the first of them begun first."""
    store.root.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(store.root / "mlflow.db")) as database:
        database.executescript(SCHEMA)
        database.execute("INSERT INTO alembic_version VALUES (?)", (REVISION,))
        for number, (suite, digest, status) in enumerate(runs):
            name = str(number)
            database.execute(
                "INSERT INTO runs (run_uuid, start_time, lifecycle_stage, status)"
                " VALUES (?, ?, 'active', ?)",
                (name, number, status),
            )
            for key, text in (("suite", suite), ("suite_digest", digest)):
                database.execute(
                    "INSERT INTO tags (run_uuid, key, value) VALUES (?, ?, ?)", (name, key, text)
                )
        database.commit()
    return settings_of(store)


def settings_of(store: Store, uri: str | None = None) -> Settings:
    return replace(Settings.from_environment({}), store=store, tracking_uri=uri)


def test_a_suite_that_only_the_registry_knows_with_another_content_is_refused_when_planned(
    tmp_path: Path, store: Store
) -> None:
    suite, other = load_suite(write(tmp_path / "suite")), digest_of("other")
    settings = registered(
        store, ("demo@1", other, "FINISHED"), ("demo@1", suite.digest, "FINISHED")
    )
    with pytest.raises(InputError, match="demo@1 is another content in this registry") as refused:
        refuse_other_content(suite, settings, pytest.fail)
    assert other[:12] in str(refused.value)
    assert suite.digest[:12] in str(refused.value)
    assert refused.value.next_step and "suite.yaml" in refused.value.next_step


@pytest.mark.parametrize(
    ("name", "status"), [("demo@2", "FINISHED"), ("other@1", "FINISHED"), ("demo@1", "RUNNING")]
)
def test_another_version_or_a_run_that_was_not_finished_stands_against_none(
    name: str, status: str, tmp_path: Path, store: Store
) -> None:
    suite = load_suite(write(tmp_path / "suite"))
    refuse_other_content(suite, settings_of(store), pytest.fail)
    settings = registered(store, (name, digest_of("other"), status))
    refuse_other_content(suite, settings, pytest.fail)


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:9", "postgresql://somebody:secret@db.example/mlflow", None]
)
def test_a_registry_that_cannot_be_asked_is_named_and_the_plan_goes_on(
    uri: str | None, tmp_path: Path, store: Store
) -> None:
    suite = load_suite(write(tmp_path / "suite"))
    if uri is None:
        store.root.mkdir()
        (store.root / "mlflow.db").write_bytes(b"this is no database" * 100)
    said: list[str] = []
    refuse_other_content(suite, settings_of(store, uri), said.append)
    (line,) = said
    assert line.startswith("the registry ") and "demo@1" in line
    assert "secret" not in line


def test_another_version_or_name_is_another_suite(tmp_path: Path, store: Store) -> None:
    remember(load_suite(write(tmp_path / "suite")), store)
    raised = SUITE.replace("version: 1", "version: 2")
    refuse_edited(load_suite(write(tmp_path / "suite", "5", raised)), store)
    renamed = SUITE.replace("demo", "other")
    refuse_edited(load_suite(write(tmp_path / "suite", "5", renamed)), store)


def test_bump_raises_the_version_above_all_that_were_judged(tmp_path: Path, store: Store) -> None:
    first = load_suite(write(tmp_path / "suite"))
    assert bump(first, store) is None, "never judged"
    remember(first, store)
    remember(replace(first, version=7), store)
    assert bump(first, store) is None, "not edited"
    after = load_suite(write(tmp_path / "suite", expected="5"))
    assert bump(after, store) == 8
    assert (tmp_path / "suite" / "suite.yaml").read_text() == SUITE.replace("1  #", "8  #")
    refuse_edited(load_suite(tmp_path / "suite"), store)


def test_a_version_in_an_unusual_place_is_left_to_a_person(tmp_path: Path, store: Store) -> None:
    odd = SUITE.replace("version: 1  # raise me", "version: 0x1")
    remember(load_suite(write(tmp_path / "suite", "4", odd)), store)
    after = load_suite(write(tmp_path / "suite", "5", odd))
    with pytest.raises(InputError, match="write `version: 2`"):
        bump(after, store)


def test_suite_check_finds_it_and_bumps(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(load_suite(write(tmp_path / "suite")), store)
    folder = write(tmp_path / "suite", expected="5")
    report = check_suite(folder, policy_file=None, model=None, read_table=None, store=store)
    assert any("was judged with another content" in one.text for one in report.problems)
    monkeypatch.setenv("QUANTGATE_STORE", str(store.root))
    result = CliRunner().invoke(main, ["suite", "check", str(folder), "--bump"])
    assert "version raised to 2" in result.output
    assert "another content" not in result.output


def test_a_field_that_is_not_used_is_not_in_the_digest() -> None:
    item = Item(id="1", messages=(Message(role="user", content="a"),), expected=1, slices=("a",))
    plain: JsonObject = {
        k: v for k, v in as_object(to_json(item)).items() if k in digested_of(item)
    }
    plain["messages"] = [
        {"role": "user", "content": "a", "name": None, "tool_calls": [], "tool_call_id": None}
    ]
    assert digest_of(digested_of(item)) == digest_of(plain)
    thought = replace(
        item, messages=(Message(role="assistant", content="a", reasoning_content="b"),)
    )
    assert digested_of(thought)["messages"] != digested_of(item)["messages"]


def as_object(value: JsonValue) -> JsonObject:
    assert isinstance(value, dict)
    return value


def digested_of(item: Item) -> JsonObject:
    return as_object(digested_items([item])[0])
