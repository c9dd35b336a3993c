"""What `gc` removes and what it never does: registered variants, receipts', waiting and running builds'."""

import fcntl
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.build.clearing.needs import needs_of
from quantgate.flows.build.clearing.removing import Clearing, find_removable, parse_age, remove
from quantgate.flows.build.clearing.usage import (
    UsedPlans,
    in_use,
    nobody_begins,
    plans_in_use,
)
from quantgate.flows.build.plan_files import write_plan
from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.files.locks import exclusive
from quantgate.pipelines.files.temporary import clear_unfinished
from quantgate.registry import Tracking, record
from quantgate.registry.opening import open_reader
from quantgate.registry.protocol import RegistryReader
from tests.support.builds.faked import faked_build
from tests.support.fakes import FakeBackend, FakeRuntime
from tests.support.registered.registries import (
    MemoryRegistry,
    Sample,
    empty_database,
    evidence_of,
    opened_tracking,
    tracking_in,
)

MODEL = "support-llama"


@pytest.fixture
def tracking(tmp_path: Path) -> Tracking:
    return opened_tracking(tmp_path / "store")


@pytest.fixture
def mlflow(tracking: Tracking) -> MemoryRegistry:
    """One variant that passed, and one that did not."""
    registry = MemoryRegistry()
    record(evidence_of(Sample(), tracking.store), tracking, open_registry=registry.open)
    failed = Sample(recipe="Q2_K", decision=Decision.FAIL)
    record(evidence_of(failed, tracking.store), tracking, open_registry=registry.open)
    return registry


def clearing(
    tracking: Tracking, mlflow: MemoryRegistry, *, keep_champions: bool = False, age: float = 0.0
) -> Clearing:
    running = plans_in_use(tracking.store)
    needs = needs_of(tracking, mlflow.open_reader, running=running, keep_champions=keep_champions)
    return find_removable(tracking.store, needs, older_than_seconds=age)


def again(tracking: Tracking, mlflow: MemoryRegistry) -> Callable[[UsedPlans], Clearing]:
    """Look as `remove` asks for it, while it holds the gate."""

    def look(running: UsedPlans) -> Clearing:
        needs = needs_of(tracking, mlflow.open_reader, running=running, keep_champions=False)
        return find_removable(tracking.store, needs, older_than_seconds=0.0)

    return look


def names(clearing: Clearing) -> list[str]:
    return [f"{each.kind} {each.path.name.split('--')[1]}" if each.kind == "variant"
            else f"{each.kind} {each.path.name}" for each in clearing.removable]  # fmt: skip


def write(tracking: Tracking, *names: str) -> None:
    for name in names:
        path = tracking.store.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1000)


def test_a_registered_variant_stays_and_a_failed_one_may_go(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    found = clearing(tracking, mlflow)
    assert names(found) == ["variant Q2_K"]
    (failed,) = found.removable
    assert failed.size_bytes > 4000
    assert [kept.reason for kept in found.kept] == [f"{MODEL}/1 is registered"]


def test_logits_downloads_logs_and_answers_may_go_and_evidence_never_does(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    write(
        tracking, "checkpoints/aa/logits-1/part", "checkpoints/aa/model.gguf", "unpacked/m--1/w",
        "downloads/org--m/0123/w.safetensors", "logs/build.log", "unfinished/r--1/transcript.jsonl",
        "arriving/0123/files/w",
        "runs/r--1/transcript.jsonl", "audits/a--1/manifest.json", "reports/b/index.html",
    )  # fmt: skip
    assert names(clearing(tracking, mlflow)) == [
        "variant Q2_K", "logits logits-1", "download 0123", "unpacked checkpoint m--1",
        "unfinished answers r--1", "half-fetched folder 0123", "log build.log",
    ]  # fmt: skip


def test_removing_frees_what_was_named_and_leaves_the_rest(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    shown = clearing(tracking, mlflow)
    removed = remove(tracking.store, shown, again(tracking, mlflow))
    assert removed.removable == shown.removable
    assert len([*tracking.store.variants.glob("[!.]*")]) == 1
    assert [*tracking.store.root.glob(".gc.staging-*")] == []


def test_what_became_needed_after_it_was_shown_stays(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    shown = clearing(tracking, mlflow)
    passed = replace(Sample(recipe="Q2_K"), decision=Decision.PASS)
    record(evidence_of(passed, tracking.store), tracking, open_registry=mlflow.open)
    removed = remove(tracking.store, shown, again(tracking, mlflow))
    assert removed.removable == ()
    assert len([*tracking.store.variants.glob("[!.]*")]) == 2


def test_while_the_registry_does_not_answer_every_variant_stays(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    @contextmanager
    def down(tracking: Tracking) -> Iterator[RegistryReader]:
        raise ServiceError("does not answer")
        yield

    write(tracking, "checkpoints/aa/logits-1/part", "downloads/org--m/0123/w")
    for keep in (False, True):
        needs = needs_of(tracking, down, running=(), keep_champions=keep)
        found = find_removable(tracking.store, needs, older_than_seconds=0.0)
        assert found.unasked == "does not answer"
        kinds = [each.kind for each in found.removable]
        assert kinds == ([] if keep else ["logits", "download"])


def test_a_receipt_of_another_registry_keeps_its_variant(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    other = replace(tracking, uri=f"sqlite:///{tracking.store.root}/other.db")
    empty_database(other)
    assert names(clearing(other, MemoryRegistry())) == ["variant Q2_K"]


def test_a_deleted_version_keeps_nothing_although_its_receipt_is_here(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    assert names(clearing(tracking, MemoryRegistry())) == ["variant Q2_K", "variant Q4_K_M"]


def test_without_its_database_receipts_keep_what_was_registered(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    assert tracking.database is not None
    tracking.database.unlink()
    needs = needs_of(tracking, open_reader, running=(), keep_champions=False)
    found = find_removable(tracking.store, needs, older_than_seconds=0.0)
    assert names(found) == ["variant Q2_K"]


def test_a_registration_that_waits_keeps_its_variant(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    (failed,) = clearing(tracking, mlflow).removable
    pending = tracking.store.root / "pending"
    pending.mkdir()
    file = pending / "e--r.json"
    file.write_text(json.dumps({"record": {"variant": {"folder": str(failed.path)}}}))
    assert names(clearing(tracking, mlflow)) == []
    file.write_text("{")
    assert names(clearing(tracking, mlflow)) == []


def test_a_registration_that_ends_while_the_registry_was_just_asked_keeps_its_variant(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    (failed,) = clearing(tracking, mlflow).removable
    file = tracking.store.root / "pending" / "e--r.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"record": {"variant": {"folder": str(failed.path)}}}))

    @contextmanager
    def asked(tracking: Tracking) -> Iterator[RegistryReader]:
        with mlflow.open_reader(tracking) as reader:
            yield reader
        file.unlink()  # it is registered now, which nobody has seen

    needs = needs_of(tracking, asked, running=(), keep_champions=False)
    assert names(find_removable(tracking.store, needs, older_than_seconds=0.0)) == []
    assert not file.exists()


def test_what_was_changed_lately_stays(tracking: Tracking, mlflow: MemoryRegistry) -> None:
    write(tracking, "logs/old.log", "logs/new.log")
    os.utime(tracking.store.root / "logs" / "old.log", (0, 0))
    assert names(clearing(tracking, mlflow, age=3600.0)) == ["log old.log"]


def test_what_a_running_build_names_stays_and_a_dead_one_keeps_nothing(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    store = here.settings.store
    tracking, mlflow = tracking_in(store.root), MemoryRegistry()
    planned = here.plan.variants[0]
    write(
        tracking, f"variants/{planned.folder(store).name}/w", "variants/other--Q2--1/w",
        f"{here.scratch.relative_to(store.root)}/logits-1/part", "logs/a.log",
    )  # fmt: skip
    write_plan(here.plan, store)
    everything = 4
    assert len(clearing(tracking, mlflow).removable) == everything
    with in_use(store) as use:
        assert clearing(tracking, mlflow).removable == ()  # it plans: nobody knows what it needs
        use.runs(here.plan.name)
        assert names(clearing(tracking, mlflow)) == ["variant Q2"]
    assert len(clearing(tracking, mlflow).removable) == everything
    write(tracking, "in-use/1-dead")
    assert len(clearing(tracking, mlflow).removable) == everything
    assert [path.name for path in (store.root / "in-use").glob("[!.]*")] == []


def test_a_build_that_begins_waits_until_what_goes_is_out_of_the_way(tracking: Tracking) -> None:
    waited, began = threading.Event(), threading.Event()

    def build() -> None:
        with in_use(tracking.store, on_wait=waited.set):
            began.set()

    with nobody_begins(tracking.store):
        beginner = threading.Thread(target=build)
        beginner.start()
        assert waited.wait(10)
        assert not began.is_set()
    beginner.join(10)
    assert began.is_set()


def test_whoever_looks_leaves_the_file_of_a_build_that_begins_alone(tracking: Tracking) -> None:
    seen = list[UsedPlans]()
    with nobody_begins(tracking.store):  # as a build holds the gate
        write(tracking, "in-use/1-beginning")
        (file,) = (tracking.store.root / "in-use").glob("[!.]*")
        looker = threading.Thread(target=lambda: seen.append(plans_in_use(tracking.store)))
        looker.start()
        looker.join(0.3)
        assert looker.is_alive()
        assert file.exists()
        file.write_text("plan")
        held = file.open()
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    looker.join(10)
    held.close()
    assert seen == [("plan",)]


def test_two_who_remove_at_once_remove_everything_once(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    write(tracking, *(f"logs/{number}.log" for number in range(50)))
    shown, removed = clearing(tracking, mlflow), list[Clearing]()

    def work() -> None:
        removed.append(remove(tracking.store, shown, again(tracking, mlflow)))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(len(each.removable) for each in removed) == [0, 51]


def test_what_somebody_is_making_stays(tracking: Tracking, mlflow: MemoryRegistry) -> None:
    (failed,) = clearing(tracking, mlflow).removable
    with exclusive(failed.path.parent / f".{failed.path.name}.lock"):
        assert names(clearing(tracking, mlflow)) == []


def test_what_a_killed_one_had_moved_aside_goes_with_the_next_build(tracking: Tracking) -> None:
    write(tracking, ".gc.staging-0123abcd/0/w")
    assert clear_unfinished(tracking.store.root) == 1
    assert [*tracking.store.root.glob(".gc.staging-*")] == []


def test_champions_keep_what_they_were_made_from_where_that_is_asked_for(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    store = here.settings.store
    tracking, mlflow = tracking_in(store.root), MemoryRegistry()
    empty_database(tracking)
    folder = here.plan.variants[0].folder(store)
    write(
        tracking, f"variants/{folder.name}/w", "checkpoints/other/logits-1/part",
        f"{here.scratch.relative_to(store.root)}/logits-1/part",
    )  # fmt: skip
    run = mlflow.start_run(mlflow.experiment("demo"), "r", {})
    mlflow.create_version("demo", run.id, {"location": f"/elsewhere/variants/{folder.name}"})
    mlflow.point_alias("demo", "exam", "1")
    write_plan(here.plan, store)
    assert names(clearing(tracking, mlflow)) == ["logits logits-1", "logits logits-1"]
    (other,) = clearing(tracking, mlflow, keep_champions=True).removable
    assert other.path.parent.name == "other"


@pytest.mark.parametrize(("text", "seconds"), [("30d", 2592000), ("12h", 43200), ("2w", 1209600)])
def test_ages_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_age(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5d", "1y"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="no age"):
        parse_age(text)
