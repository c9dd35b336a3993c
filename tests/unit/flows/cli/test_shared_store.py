"""`quantgate store` from the command line, on a shared folder."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from quantgate.flows.cli.main import main
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.files.second_level import attach
from quantgate.pipelines.sharing.file_objects import FileObjects
from quantgate.pipelines.sharing.kinds import SharedKinds
from quantgate.pipelines.sharing.leases import HeldLease, Leases
from quantgate.pipelines.sharing.shared_store import SharedStore
from tests.support.shared_objects import MemoryObjects, away

Run = Callable[..., Result]


def seal(store: Path, folder: str) -> None:
    def produce(staging: Path) -> str:
        (staging / "answers").write_text("a" * 1000)
        return "made"

    produce_once(store / folder, str, produce)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    FileObjects(tmp_path / "shelf").prepare()

    def run(*arguments: str, store: str = "store", code: int = 0) -> Result:
        environment = {
            "QUANTGATE_STORE": str(tmp_path / store),
            "QUANTGATE_SHARED_STORE": f"file://{tmp_path}/shelf",
        }
        result = CliRunner().invoke(main, ["store", *arguments], env=environment)
        assert result.exit_code == code, result.output
        return result

    return run


def as_json(result: Result) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(result.stdout)
    shown = CliRunner().invoke(main, ["schema", value["schema"]])
    jsonschema.validate(value, json.loads(shown.stdout))
    return value


def test_what_is_sealed_here_is_sent_listed_and_fetched(tmp_path: Path, run: Run) -> None:
    seal(tmp_path / "store", "runs/a--1")
    seal(tmp_path / "store", "speeds/a--1")
    sent = as_json(run("push", "--all", "--json"))
    assert [each["folder"] for each in sent["folders"]] == ["runs/a--1"]
    assert as_json(run("push", "--all", "--json"))["untouched"] == ["runs/a--1"]
    listed = as_json(run("list", "--json"))
    assert [(e["folder"], e["complete"]) for e in listed["entries"]] == [("runs/a--1", True)]
    assert "1 folders in file://" in run("list").output
    fetched = as_json(run("pull", "runs/*", "--json", store="second"))
    assert fetched["folders"] == [{"folder": "runs/a--1", "size_bytes": 1000}]
    assert (tmp_path / "second" / "runs" / "a--1" / "answers").read_text() == "a" * 1000
    assert "is called so" in run("pull", "variants/*", code=12).output


def test_what_waits_is_listed_and_sent(tmp_path: Path, run: Run) -> None:
    gone = MemoryObjects(before=away)
    kinds = SharedKinds(largest_bytes=1 << 20)
    root = tmp_path / "store"
    attach(root, SharedStore(root, gone, kinds, lease_seconds=4, say=lambda _: None))
    seal(root, "runs/a--1")
    attach(root, None)
    assert "waits to be sent: runs/a--1 (the shared store did not answer)" in run("list").output
    assert "sent runs/a--1  0.00 MB" in run("push").output
    assert as_json(run("list", "--json"))["waiting"] == []


@pytest.mark.parametrize("how", ["manifest", "file", "gone"])
def test_a_damaged_folder_keeps_no_other_from_being_sent(
    tmp_path: Path, run: Run, how: str
) -> None:
    root = tmp_path / "store"
    gone = SharedStore(
        root,
        MemoryObjects(before=away),
        SharedKinds(largest_bytes=1 << 20),
        lease_seconds=4,
        say=lambda _: None,
    )
    attach(root, gone)
    for folder in ("runs/a--1", "runs/b--2", "runs/c--3"):
        seal(root, folder)
    attach(root, None)
    damaged = root / "runs" / "b--2"
    if how == "manifest":
        (damaged / "manifest.json").write_text("{")
    elif how == "file":
        (damaged / "answers").write_text("b" * 1000)
    else:
        (damaged / "answers").unlink()
    said = run("push", "--json", code=2)
    assert [each["folder"] for each in json.loads(said.stdout)["folders"]] == [
        "runs/a--1",
        "runs/c--3",
    ]
    assert said.stderr.count("is not sent") == 1 and "runs/b--2 is not sent: " in said.stderr
    listed = as_json(run("list", "--json"))
    assert [each["folder"] for each in listed["waiting"]] == ["runs/b--2"]
    assert [each["folder"] for each in listed["entries"]] == ["runs/a--1", "runs/c--3"]


def test_a_share_is_made_once_and_not_by_accident(tmp_path: Path) -> None:
    environment = {
        "QUANTGATE_STORE": str(tmp_path / "store"),
        "QUANTGATE_SHARED_STORE": f"file://{tmp_path}/new",
    }
    before = CliRunner().invoke(main, ["store", "list"], env=environment)
    assert before.exit_code == 6
    assert "is not mounted, or was never made a shared store" in before.output
    assert not (tmp_path / "new").exists()
    for _ in range(2):
        made = CliRunner().invoke(main, ["store", "init"], env=environment)
        assert (made.exit_code, made.output) == (0, f"file://{tmp_path}/new can be shared\n")
    assert CliRunner().invoke(main, ["store", "list"], env=environment).exit_code == 0


def test_damaged_folders_are_told_and_left(tmp_path: Path, run: Run) -> None:
    seal(tmp_path / "store", "runs/a--1")
    run("push", "--all")
    (part,) = (
        p for p in (tmp_path / "shelf/entries/runs/a--1").iterdir() if p.name != "manifest.json"
    )
    part.write_text("b" * 1000)
    said = run("pull", "*", "--json", store="second", code=2)
    assert "is not what its manifest says" in said.stderr
    assert json.loads(said.stdout)["untouched"] == ["runs/a--1"]
    assert not (tmp_path / "second" / "runs" / "a--1").exists()


def test_old_folders_go_when_told_and_nothing_that_a_host_makes(tmp_path: Path, run: Run) -> None:
    for folder in ("runs/a--1", "runs/b--2", "runs/c--3"):
        seal(tmp_path / "store", folder)
    run("push", "--all")
    for folder in ("a--1", "b--2"):
        for path in (tmp_path / "shelf/entries/runs" / folder).iterdir():
            os.utime(path, (0, 0))
    shelf = FileObjects(tmp_path / "shelf")
    living = Leases(shelf, owner="desk (process 7)", seconds=60).take("runs/b--2")
    assert isinstance(living, HeldLease)
    Leases(shelf, owner="dead (process 8)", seconds=4).take("runs/d--4")
    os.utime(tmp_path / "shelf/leases/runs/d--4/00000001.json", (0, 0))
    named = as_json(run("clean", "--json"))
    assert [each["folder"] for each in named["folders"]] == ["runs/a--1", "runs/b--2"]
    assert len(as_json(run("list", "--json"))["entries"]) == 3
    gone = as_json(run("clean", "--yes", "--json"))
    assert [each["folder"] for each in gone["folders"]] == ["runs/a--1"]
    assert gone["untouched"] == ["runs/b--2"]
    listed = as_json(run("list", "--json"))
    assert [each["folder"] for each in listed["entries"]] == ["runs/b--2", "runs/c--3"]
    assert [(e["folder"], e["owner"], e["holds"]) for e in listed["leases"]] == [
        ("runs/b--2", "desk (process 7)", True)
    ]
    assert "desk (process 7) makes runs/b--2" in run("list").output


def test_without_a_shared_store_the_way_to_one_is_told(tmp_path: Path) -> None:
    environment = {"QUANTGATE_STORE": str(tmp_path), "QUANTGATE_SHARED_STORE": ""}
    result = CliRunner().invoke(main, ["store", "list"], env=environment)
    assert result.exit_code == 2
    assert "set QUANTGATE_SHARED_STORE to s3://bucket/folder" in result.output


@pytest.mark.parametrize("named", [["--store", "s3://bucket/folder"], []])
def test_an_address_is_no_store_of_a_host(named: list[str]) -> None:
    environment = {"QUANTGATE_STORE": "s3://bucket/folder"}
    result = CliRunner().invoke(main, ["gc", *named], env={} if named else environment)
    assert result.exit_code == 2
    assert "is an address, and a store is a folder" in result.output
    assert "QUANTGATE_SHARED_STORE" in result.output
