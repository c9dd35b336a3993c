"""Seals: a tag that somebody edited is noticed, named, and its version not returned."""

from dataclasses import replace

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.registry import Tracking, record
from quantgate.registry.facts import PASSED, VERSION_TAGS
from quantgate.registry.questions.lineages import trace
from quantgate.registry.questions.lookups import find, find_all
from quantgate.registry.questions.wishes import LookupRequest
from quantgate.registry.seals import COVERED, SEAL, SealState, seal_state, sealed
from tests.support.registered.registries import (
    MemoryRegistry,
    Sample,
    evidence_of,
)

MODEL = "support-llama"
SMALL, LARGE = Sample(recipe="Q4_K_M", size_bytes=4000), Sample(recipe="Q8_0", size_bytes=8000)


@pytest.fixture
def mlflow(tracking: Tracking) -> MemoryRegistry:
    registry = MemoryRegistry()
    for sample in (SMALL, LARGE):
        record(evidence_of(sample, tracking.store), tracking, open_registry=registry.open)
    return registry


def edit(mlflow: MemoryRegistry, number: str, **texts: str | None) -> None:
    version = mlflow.models[MODEL][number]
    tags = {name: text for name, text in {**version.tags, **texts}.items() if text is not None}
    mlflow.models[MODEL][number] = replace(version, tags=tags)


def test_every_registered_version_is_sealed(mlflow: MemoryRegistry) -> None:
    states = [seal_state(version.tags) for version in mlflow.models[MODEL].values()]
    assert states == [SealState.HOLDS, SealState.HOLDS]


@pytest.mark.parametrize(
    ("name", "text"),
    [("size_bytes", "1"), ("numerics", "W16/A16/KV16"), ("files_digest", "0" * 64),
     ("waiver", "none, really"), ("unproven_slices", "none"), ("suite", "support-desk@9")],
)  # fmt: skip
def test_an_edited_tag_is_said_and_its_version_not_returned(
    tracking: Tracking, mlflow: MemoryRegistry, name: str, text: str
) -> None:
    if mlflow.models[MODEL]["1"].tags[name] == text:
        text = "another"
    edit(mlflow, "1", **{name: text})
    found = find(LookupRequest(model=MODEL), tracking, open_reader=mlflow.open_reader)
    assert found.version == "2"
    (passed,) = found.passed_over
    assert str(passed).startswith(f"models:/{MODEL}/1 is not returned: its tags were altered")
    with pytest.raises(InputError, match="its tags were altered"):
        trace(f"{MODEL}/1", tracking, open_reader=mlflow.open_reader)
    every = find_all(LookupRequest(model=MODEL), tracking, open_reader=mlflow.open_reader)
    assert [version.version for version in every] == ["2"]
    assert every[0].passed_over == found.passed_over


def test_the_tag_that_was_edited_is_named(tracking: Tracking, mlflow: MemoryRegistry) -> None:
    edit(mlflow, "1", size_bytes="1")
    with pytest.raises(InputError, match=r"altered since it was registered \(size_bytes\)"):
        trace(f"{MODEL}/1", tracking, open_reader=mlflow.open_reader)


def test_a_verdict_turned_by_hand_is_not_believed(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    failed = replace(SMALL, decision=Decision.FAIL, broke=90)
    record(evidence_of(failed, tracking.store), tracking, open_registry=mlflow.open)
    assert seal_state(mlflow.models[MODEL]["1"].tags) is SealState.HOLDS
    edit(mlflow, "1", verdict=PASSED)
    found = find(LookupRequest(model=MODEL), tracking, open_reader=mlflow.open_reader)
    assert found.version == "2"


def test_a_tag_that_was_removed_and_a_scope_that_was_copied_are_noticed(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    edit(mlflow, "1", corpus=None)
    with pytest.raises(
        InputError, match="was not registered by quantgate, or its tags were altered"
    ):
        trace(f"{MODEL}/1", tracking, open_reader=mlflow.open_reader)
    older = Sample(recipe="Q2_K", size_bytes=10, base="older")
    record(evidence_of(older, tracking.store), tracking, open_registry=mlflow.open)
    mlflow.point_alias(MODEL, "support-desk", "2")
    edit(mlflow, "3", scope=mlflow.models[MODEL]["2"].tags["scope"])
    wish = LookupRequest(model=MODEL, max_size_bytes=9000)
    assert find(wish, tracking, open_reader=mlflow.open_reader).version == "2"


def test_where_all_that_fits_was_altered_the_look_up_says_so_and_fails(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    for number in ("1", "2"):
        edit(mlflow, number, size_bytes="5")
    with pytest.raises(InputError, match=r"/1 is not returned: .*/2 is not returned: "):
        find(LookupRequest(model=MODEL), tracking, open_reader=mlflow.open_reader)


def test_a_version_from_before_seals_is_held_against_its_run_and_called_unsealed(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    edit(mlflow, "1", **{SEAL: None})
    found = find(LookupRequest(model=MODEL), tracking, open_reader=mlflow.open_reader)
    assert (found.version, found.sealed) == ("1", False)
    lines = trace(MODEL, tracking, open_reader=mlflow.open_reader).describe().splitlines()
    assert "unsealed" in lines[-1]
    edit(mlflow, "1", size_bytes="1")
    again = find(LookupRequest(model=MODEL), tracking, open_reader=mlflow.open_reader)
    assert again.version == "2"


@pytest.mark.parametrize("edited", [{SEAL: None}, {"size_bytes": "1"}, {SEAL: "1:0"}])
def test_the_same_build_run_again_seals_what_is_not_sealed(
    tracking: Tracking, mlflow: MemoryRegistry, edited: dict[str, str | None]
) -> None:
    edit(mlflow, "1", **edited)
    record(evidence_of(SMALL, tracking.store), tracking, open_registry=mlflow.open)
    tags = mlflow.models[MODEL]["1"].tags
    assert seal_state(tags) is SealState.HOLDS
    assert tags["size_bytes"] == "4000"


def test_tags_of_others_and_paths_change_no_seal(mlflow: MemoryRegistry) -> None:
    edit(mlflow, "1", owner="ann", location="/moved", artifact="/moved/model.gguf")
    assert seal_state(mlflow.models[MODEL]["1"].tags) is SealState.HOLDS


@pytest.mark.parametrize("tag", ["retired", "waived.support-desk", "scope_since"])
def test_what_people_decided_is_sealed_too(mlflow: MemoryRegistry, tag: str) -> None:
    edit(mlflow, "1", **{tag: "by hand"})
    assert seal_state(mlflow.models[MODEL]["1"].tags) is SealState.BROKEN


def test_a_seal_from_before_decisions_were_sealed_is_read_called_older_and_renewed(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    newer = ("architecture", "decode", *(tag.name for tag in VERSION_TAGS if "speed." in tag.fact))
    tags = {
        name: text for name, text in mlflow.models[MODEL]["1"].tags.items() if name not in newer
    }
    covered = digest_of({name: tags[name] for name in COVERED if name in tags})
    edit(mlflow, "1", **dict.fromkeys(newer), **{SEAL: f"1:{covered}"})
    older = find(LookupRequest(model=MODEL), tracking, open_reader=mlflow.open_reader)
    assert (older.version, older.sealed, older.seal_is_older) == ("1", True, True)
    lines = trace(MODEL, tracking, open_reader=mlflow.open_reader).describe().splitlines()
    assert "sealed by an older quantgate" in lines[-1]
    record(evidence_of(SMALL, tracking.store), tracking, open_registry=mlflow.open)
    assert seal_state(mlflow.models[MODEL]["1"].tags) is SealState.HOLDS
    edit(mlflow, "1", size_bytes="1", **{SEAL: f"1:{covered}"})
    assert seal_state(mlflow.models[MODEL]["1"].tags) is SealState.BROKEN


def test_a_seal_of_a_newer_program_is_called_that(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    edit(mlflow, "1", **{SEAL: "4:0"})
    with pytest.raises(InputError, match="by a newer version of quantgate"):
        trace(f"{MODEL}/1", tracking, open_reader=mlflow.open_reader)


def test_the_form_of_seals_changes_with_the_names_that_they_cover() -> None:
    """Raise `_FORMAT` when this fails: programs from before do not know the new names."""
    assert sealed({})[SEAL].startswith("3:")
    assert digest_of(tuple(sorted(COVERED)))[:16] == "c0e6f2408a04a092"
