"""Champions change on purpose: by newer evidence or because somebody asks; why, who and when is kept."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.domain.errors import InputError, NotFoundError
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.domain.verdicts.waiver import ContaminationWaiver
from quantgate.registry import (
    Alias,
    Decider,
    Receipt,
    Tracking,
    VersionName,
    record,
    retire,
    rollback,
    waive,
)
from quantgate.registry.champions.changes import MOST_CHANGES, recorded_changes
from quantgate.registry.champions.judged import on_suite, suites_of
from quantgate.registry.champions.settling import candidates_of
from quantgate.registry.protocol import AliasChange
from quantgate.registry.seals import SealState, seal_state
from quantgate.registry.tags import waiver_tag
from tests.support.registered.registries import (
    SUITE,
    MemoryRegistry,
    PowerCutError,
    Sample,
    empty_database,
    evidence_of,
    other_digest,
    tracking_in,
)

MODEL = "support-llama"
CHAMPION = Alias(model=MODEL, suite=SUITE.name)
BY = Decider(reason="answers slowly in production", who="Ada")
TOMORROW = datetime.now(UTC).date() + timedelta(days=1)
OTHER = replace(SUITE, name="billing", version=1, digest=other_digest("billing"))
NEWER = replace(SUITE, version=4, digest=other_digest("suite 4"))


class Place:
    """One registry and one store."""

    def __init__(self, folder: Path) -> None:
        self.mlflow = MemoryRegistry()
        self.tracking: Tracking = tracking_in(folder / "store")
        empty_database(self.tracking)

    def record(self, **what: Any) -> Receipt:
        evidence = evidence_of(replace(Sample(), **what), self.tracking.store)
        return record(evidence, self.tracking, open_registry=self.mlflow.open)

    @property
    def alias(self) -> str | None:
        return self.mlflow.pointers.get(MODEL, {}).get(SUITE.name)

    @property
    def changes(self) -> list[AliasChange]:
        notes = self.mlflow.model_notes.get(MODEL, {})
        return [recorded.change for recorded in recorded_changes(notes, SUITE.name)]

    def rollback(self, to: str | None = None) -> AliasChange:
        open_registry = self.mlflow.open
        return rollback(CHAMPION, self.tracking, by=BY, to=to, open_registry=open_registry)

    def retire(self, number: str, by: Decider = BY) -> tuple[AliasChange, ...]:
        name = VersionName(model=MODEL, number=number)
        return retire(name, self.tracking, by=by, open_registry=self.mlflow.open)

    def waive(
        self, number: str, until: date = TOMORROW, *, by: Decider = BY, suite: str | None = None
    ) -> AliasChange | None:
        name = VersionName(model=MODEL, number=number, suite=suite)
        opened = self.mlflow.open
        return waive(name, self.tracking, by=by, until=until, open_registry=opened)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def two_revisions(place: Place) -> None:
    place.record(base="revision 1", size_bytes=1000)
    place.record(base="revision 2", size_bytes=4000)
    place.record(base="revision 2", size_bytes=3000, recipe="Q2_K")
    assert place.alias == "3"


def test_recording_an_old_revision_again_leaves_the_champion(place: Place) -> None:
    two_revisions(place)
    before = place.changes
    place.record(base="revision 1", size_bytes=1000)
    place.record(base="revision 1", size_bytes=500, recipe="IQ1_M")
    assert place.alias == "3"
    assert place.changes == before


def test_a_withdrawn_revision_that_comes_back_is_no_newer_than_it_was(place: Place) -> None:
    two_revisions(place)
    place.record(base="revision 3", size_bytes=9000)
    assert place.alias == "4"
    place.record(base="revision 2", size_bytes=4000)
    assert place.alias == "4"


def test_every_change_has_a_reason_an_actor_and_a_moment(place: Place) -> None:
    two_revisions(place)
    assert [(change.before, change.after) for change in place.changes] == [
        (None, "1"),
        ("1", "2"),
        ("2", "3"),
    ]
    first, newer, smaller = (change.reason for change in place.changes)
    assert first == "version 1 is the first to pass"
    assert newer.startswith("version 2 passes with a newer base (org/revision 2@")
    assert smaller == "version 3 passes the same and is smaller than version 2"
    assert all("@" in change.actor for change in place.changes)
    moments = [datetime.fromisoformat(change.at) for change in place.changes]
    assert moments == sorted(set(moments))


def test_a_receipt_says_how_the_alias_changed(place: Place) -> None:
    change = place.record().alias_change
    assert change is not None
    assert (change.before, change.after) == (None, "1")
    assert place.record().alias_change is None


def test_a_rollback_goes_to_the_last_champion_and_then_to_the_one_before_it(place: Place) -> None:
    two_revisions(place)
    change = place.rollback()
    assert (change.before, change.after, change.actor) == ("3", "2", "Ada")
    assert place.alias == "2"
    assert place.changes[-1].reason == BY.reason
    assert place.rollback().after == "1"
    assert place.alias == "1"
    with pytest.raises(NotFoundError, match="no other champion that still passes"):
        place.rollback()


def test_a_rollback_holds_until_newer_evidence_wins(place: Place) -> None:
    two_revisions(place)
    place.rollback(to="1")
    for revision, size_bytes in (("revision 2", 4000), ("revision 1", 1000)):
        place.record(base=revision, size_bytes=size_bytes)
        assert place.alias == "1"
    place.record(base="revision 3", size_bytes=9000)
    assert place.alias == "4"
    assert place.rollback().after == "1"


def test_a_version_can_be_named_that_is_not_the_last_champion(place: Place) -> None:
    two_revisions(place)
    place.rollback()
    assert place.rollback(to="3").after == "3"
    with pytest.raises(InputError, match="version 3 is the champion already"):
        place.rollback(to="3")
    with pytest.raises(NotFoundError, match="no version 7 was judged on support-desk; there are 1"):
        place.rollback(to="7")


def test_a_rollback_passes_over_what_does_not_pass_any_more(place: Place) -> None:
    two_revisions(place)
    place.record(base="revision 2", size_bytes=4000, decision=Decision.FAIL, broke=90)
    with pytest.raises(InputError, match="version 2 does not pass support-desk@3: fail"):
        place.rollback(to="2")
    assert place.rollback().after == "1"


def test_nothing_is_rolled_back_where_there_is_nothing(place: Place) -> None:
    with pytest.raises(NotFoundError, match="no model 'support-llama' is registered"):
        place.rollback()
    two_revisions(place)
    misspelt = replace(CHAMPION, suite="suport-desk")
    with pytest.raises(NotFoundError, match=r"a suite of that name; did you mean support-desk\?"):
        rollback(misspelt, place.tracking, by=BY, open_registry=place.mlflow.open)


@pytest.mark.parametrize("operation", ["set_model_tag", "point_alias", "aliases"])
def test_a_rollback_killed_anywhere_is_completed_or_undone(place: Place, operation: str) -> None:
    two_revisions(place)
    place.mlflow.dies_before = operation
    with pytest.raises(PowerCutError):
        place.rollback()
    place.record(base="revision 2", size_bytes=4000)
    assert place.alias == place.changes[-1].after
    assert place.alias in ("2", "3")


def test_the_history_is_bounded_and_keeps_what_was_asked_for_last(place: Place) -> None:
    two_revisions(place)
    place.rollback()
    place.record(base="revision 3", size_bytes=10_000)
    for size_bytes in range(9999, 9999 - MOST_CHANGES - 5, -1):
        place.record(base="revision 3", size_bytes=size_bytes, recipe=f"R{size_bytes}")
    assert len(place.changes) == MOST_CHANGES + 1
    assert place.changes[0].reason == BY.reason


def test_long_reasons_are_cut(place: Place) -> None:
    place.record()
    place.record(recipe="Q2_K", size_bytes=3000)
    by = Decider(reason="because " * 1000, who="A" * 1000)
    rollback(CHAMPION, place.tracking, by=by, open_registry=place.mlflow.open)
    assert len(place.changes[-1].reason) == 500
    assert place.alias == "1"


def test_a_clock_that_goes_wrong_does_not_change_the_order(place: Place) -> None:
    two_revisions(place)
    notes = place.mlflow.model_notes[MODEL]
    last = max(notes)
    change = place.changes[-1]
    notes[last] = notes[last].replace(change.at, "2100-01-01T00:00:00+00:00")
    place.rollback()
    assert place.changes[-1].after == "2"


def test_a_retired_version_loses_the_alias_for_good(place: Place) -> None:
    two_revisions(place)
    (change,) = place.retire("3")
    assert (change.before, change.after) == ("3", "2")
    assert "version 3 was retired by Ada: answers slowly" in change.reason
    place.record(base="revision 2", size_bytes=3000, recipe="Q2_K")
    assert place.alias == "2"
    with pytest.raises(InputError, match="was retired already, by Ada"):
        place.retire("3")
    with pytest.raises(NotFoundError, match="there are 1, 2, 3"):
        place.retire("9")
    with pytest.raises(InputError, match="needs a reason"):
        place.retire("2", Decider(reason=" "))


def test_the_last_one_that_is_retired_leaves_no_alias_and_says_so(place: Place) -> None:
    place.record()
    (change,) = place.retire("1")
    assert change.after is None
    assert place.alias is None
    assert change.reason.endswith("and no other may follow it")


@pytest.mark.parametrize("operation", ["point_alias", "set_version_tag"])
def test_at_no_moment_an_alias_points_at_a_retired_version(place: Place, operation: str) -> None:
    place.record()
    place.mlflow.dies_before = operation
    with pytest.raises(PowerCutError):
        place.retire("1")
    assert place.alias is None or "retired" not in place.mlflow.models[MODEL]["1"].tags
    place.retire("1")
    assert place.alias is None
    assert seal_state(place.mlflow.models[MODEL]["1"].tags) is SealState.HOLDS


def test_a_retirement_is_sealed_for_every_suite(place: Place) -> None:
    place.record()
    place.record(suite=OTHER)
    place.retire("1")
    tags = place.mlflow.models[MODEL]["1"].tags
    for suite in suites_of(tags):
        seen = on_suite(tags, suite) or {}
        assert seal_state(seen) is SealState.HOLDS
        assert seal_state({**seen, "retired": "not any more"}) is SealState.BROKEN


def test_a_later_suite_version_that_fails_removes_the_alias(place: Place) -> None:
    place.record()
    receipt = place.record(suite=NEWER, decision=Decision.FAIL, broke=90)
    assert receipt.version is None
    assert place.alias is None
    assert receipt.alias_change is not None
    assert "version 1 does not pass support-desk@4: fail" in receipt.alias_change.reason
    place.record()
    assert place.alias is None, "the older suite's verdict, recorded again"
    assert list(place.mlflow.models[MODEL]) == ["1"]


def test_a_waived_verdict_lets_a_version_be_champion_for_a_time(place: Place) -> None:
    place.record()
    place.record(suite=NEWER, decision=Decision.FAIL, broke=90)
    change = place.waive("1")
    assert change is not None
    assert (change.before, change.after) == (None, "1")
    tags = place.mlflow.models[MODEL]["1"].tags
    assert tags["verdict"] == "fail"
    assert tags["waiver"] == f"verdict: {BY.reason} (Ada, until {TOMORROW})"
    assert seal_state(tags) is SealState.HOLDS
    place.record(suite=NEWER, decision=Decision.FAIL, broke=91)
    assert place.alias is None, "another verdict needs another waiver"
    assert BY.reason in place.mlflow.models[MODEL]["1"].tags["waiver"], "it stays in the lineage"


def test_an_expired_waiver_of_a_verdict_removes_the_alias(place: Place) -> None:
    place.record()
    place.record(suite=NEWER, decision=Decision.FAIL, broke=90)
    place.waive("1")
    versions = tuple(place.mlflow.models[MODEL].values())
    (later,) = candidates_of(versions, SUITE.name, TOMORROW + timedelta(days=1))
    assert not later.passing
    assert f"its waiver expired on {TOMORROW}" in later.reason


def test_an_expired_waiver_of_contamination_removes_the_alias(place: Place) -> None:
    evidence = evidence_of(Sample(), place.tracking.store)
    waiver = ContaminationWaiver(item_id="i1", reason="known", who="Ada", expires=TOMORROW)
    waived = replace(evidence, contamination_waivers=(waiver,))
    record(waived, place.tracking, open_registry=place.mlflow.open)
    versions = tuple(place.mlflow.models[MODEL].values())
    (today,) = candidates_of(versions, SUITE.name)
    (later,) = candidates_of(versions, SUITE.name, TOMORROW + timedelta(days=1))
    assert (today.passing, later.passing) == (True, False)
    record(evidence, place.tracking, open_registry=place.mlflow.open)
    versions = tuple(place.mlflow.models[MODEL].values())
    (without,) = candidates_of(versions, SUITE.name, TOMORROW + timedelta(days=1))
    assert without.passing, "newer evidence needs none"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda place: place.waive("1"), "passes support-desk@3: there is nothing to waive"),
        (lambda place: place.waive("1", date(2020, 1, 1)), "2020-01-01 is past"),
        (
            lambda place: place.waive("1", suite="nobody"),
            "was judged on support-desk, not on nobody",
        ),
        (lambda place: place.waive("1", by=Decider(reason="")), "needs a reason"),
    ],
)
def test_a_waiver_that_makes_no_sense_is_refused(
    place: Place, call: Callable[[Place], object], said: str
) -> None:
    place.record()
    with pytest.raises(InputError, match=said):
        call(place)
    assert waiver_tag(SUITE.name) not in place.mlflow.models[MODEL]["1"].tags


def test_another_suites_verdict_is_added_to_the_version(place: Place) -> None:
    first = place.record()
    second = place.record(suite=OTHER)
    assert first.version == second.version == "1"
    assert place.mlflow.pointers[MODEL] == {"support-desk": "1", "billing": "1"}
    tags = place.mlflow.models[MODEL]["1"].tags
    assert suites_of(tags) == ("support-desk", "billing")
    for suite in (SUITE, OTHER):
        seen = on_suite(tags, suite.name)
        assert seen is not None
        assert (seen["suite"], seen["verdict"]) == (f"{suite.name}@{suite.version}", "pass")
        assert seal_state(seen) is SealState.HOLDS
    assert first.run_id != second.run_id
    assert tags["judged_in_run"] == first.run_id
    assert on_suite(tags, "nobody") is None


def test_a_later_fail_of_one_suite_leaves_the_other_suites_alias(place: Place) -> None:
    place.record()
    place.record(suite=OTHER)
    place.record(suite=OTHER, decision=Decision.FAIL, broke=90)
    assert place.mlflow.pointers[MODEL] == {"support-desk": "1"}
    place.record(decision=Decision.FAIL, broke=90)
    assert place.mlflow.pointers[MODEL] == {}
    assert list(place.mlflow.models[MODEL]) == ["1"]


def test_moved_files_are_said_for_every_suite(tmp_path: Path) -> None:
    here, there = Place(tmp_path / "one"), Place(tmp_path / "two")
    there.mlflow = here.mlflow
    here.record()
    here.record(suite=OTHER)
    there.record()
    tags = here.mlflow.models[MODEL]["1"].tags
    assert str(tmp_path / "two") in tags["location"]
    for suite in ("support-desk", "billing"):
        seen = on_suite(tags, suite)
        assert seen is not None
        assert seal_state(seen) is SealState.HOLDS


def test_tags_that_were_damaged_by_hand_stop_nothing(place: Place) -> None:
    two_revisions(place)
    place.mlflow.set_version_tag(MODEL, "2", "size_bytes", "many")
    place.mlflow.set_version_tag(MODEL, "1", "verdict.billing", "{")
    place.mlflow.set_version_tag(MODEL, "1", "retired", "[]")
    place.mlflow.set_model_tag(MODEL, "alias_change.x.support-desk", "nothing")
    place.record(base="revision 3", size_bytes=9000)
    assert place.alias == "4"


def test_pointing_an_alias_that_stood_for_nothing_names_no_version_before(place: Place) -> None:
    place.record(size_bytes=1000)
    place.mlflow.point_alias(MODEL, SUITE.name, None)
    nobody_says_why = Decider(reason="", who="Ada")
    open_registry = place.mlflow.open
    change = rollback(
        CHAMPION, place.tracking, by=nobody_says_why, to="1", open_registry=open_registry
    )
    assert (change.before, change.after) == (None, "1")
    assert change.reason == "pointed at by hand"
