"""A process that runs several builds of one name takes nothing from one into the next."""

from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.build.plan_files import plan_files, read_plan, write_plan
from quantgate.flows.orchestration import steps
from quantgate.flows.progress.board import PlainBoard
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.sharing.file_objects import FileObjects
from tests.support.builds.faked import faked_build
from tests.support.fakes import FakeBackend, FakeRuntime


def test_a_build_anyway_and_one_without_have_each_their_own_plan(tmp_path: Path) -> None:
    plan, store = (
        faked_build(tmp_path, FakeBackend(), FakeRuntime()).plan,
        Store(root=tmp_path / "store"),
    )
    anyway = replace(plan, anyway=True)
    assert anyway.name == plan.name
    first, second = write_plan(plan, store), write_plan(anyway, store)
    assert (read_plan(first), read_plan(second)) == (plan, anyway)
    assert list(plan_files(store)) == [first], "later commands know one plan of a name"
    assert read_plan(write_plan(plan, store)) == plan
    assert read_plan(second) == anyway


def test_a_process_that_opens_a_build_shares_what_it_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, store = (
        faked_build(tmp_path, FakeBackend(), FakeRuntime()).plan,
        Store(root=tmp_path / "store"),
    )
    file = str(write_plan(plan, store))
    FileObjects(tmp_path / "shelf").prepare()
    for address, arrives in ((f"file://{tmp_path}/shelf", True), ("", False)):
        monkeypatch.setenv("QUANTGATE_SHARED_STORE", address)
        steps.begin_anew(PlainBoard())
        steps.open_build(file)
        produce_once(store.root / "runs" / f"a--{arrives}", str, lambda _staging: "made")
        assert (tmp_path / "shelf" / "entries" / "runs" / f"a--{arrives}").exists() == arrives


def test_a_later_build_of_the_same_process_opens_its_site_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGATE_STORE", str(tmp_path / "store"))
    plan, store = (
        faked_build(tmp_path, FakeBackend(), FakeRuntime()).plan,
        Store(root=tmp_path / "store"),
    )
    file = str(write_plan(plan, store))
    steps.begin_anew(PlainBoard())
    before = steps.open_build(file)
    assert steps.open_build(file) is before, "units of one build share it"
    board = PlainBoard()
    steps.begin_anew(board)
    after = steps.open_build(file)
    assert after is not before
    assert after.show == board.unit
    steps.begin_anew(PlainBoard())
