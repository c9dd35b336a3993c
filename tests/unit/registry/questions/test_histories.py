"""A model's history: versions, aliases, and what cannot be trusted."""

from dataclasses import replace

import pytest

from quantgate.pipelines.domain.errors import NotFoundError
from quantgate.registry import AliasChange, Tracking, record
from quantgate.registry.champions.changes import write_change
from quantgate.registry.questions.histories import history_of
from tests.support.registered.registries import (
    MemoryRegistry,
    Sample,
    evidence_of,
)

MODEL = "support-llama"


@pytest.fixture
def mlflow(tracking: Tracking) -> MemoryRegistry:
    registry = MemoryRegistry()
    for size in (4000, 3000, 5000):
        sample = Sample(recipe=f"Q{size}", size_bytes=size)
        record(evidence_of(sample, tracking.store), tracking, open_registry=registry.open)
    return registry


def test_versions_come_newest_first_with_aliases_and_times(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    first = mlflow.models[MODEL]["1"]
    mlflow.models[MODEL]["1"] = replace(first, created_ms=1_700_000_000_000)
    history = history_of(MODEL, None, tracking, open_reader=mlflow.open_reader)
    assert [entry.version for entry in history.versions] == ["3", "2", "1"]
    assert [entry.aliases for entry in history.versions] == [(), ("support-desk",), ()]
    assert history.versions[2].registered_at == "2023-11-14T22:13:20+00:00"
    assert not history.older
    assert [change.after for change in history.changes] == ["1", "2"]


def test_older_versions_than_the_newest_are_left_out_and_said(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    history = history_of(MODEL, 2, tracking, open_reader=mlflow.open_reader)
    assert [entry.version for entry in history.versions] == ["3", "2"]
    assert history.older


def test_recorded_changes_of_aliases_are_told(tracking: Tracking, mlflow: MemoryRegistry) -> None:
    change = AliasChange(
        alias="support-desk", before="1", after="2", at="2026-11-30", reason="smaller", actor="me"
    )
    before = history_of(MODEL, 2, tracking, open_reader=mlflow.open_reader).changes
    write_change(mlflow, MODEL, change)
    (*_, told) = history_of(MODEL, 2, tracking, open_reader=mlflow.open_reader).changes
    assert replace(told, at=change.at) == change
    assert told.at > before[-1].at, "after those that it follows, whatever the clock says"


def test_altered_versions_and_those_registered_by_hand_are_listed_without_facts(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    mlflow.set_version_tag(MODEL, "1", "size_bytes", "1")
    mlflow.create_version(MODEL, "", {"verdict": "pass"})
    entries = history_of(MODEL, None, tracking, open_reader=mlflow.open_reader).versions
    assert [entry.facts is None for entry in entries] == [True, False, False, True]
    assert "was not registered by quantgate" in entries[0].problem
    assert "altered" in entries[3].problem


def test_an_unknown_model_is_answered_with_the_one_that_may_be_meant(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    with pytest.raises(NotFoundError, match="did you mean support-llama"):
        history_of("suport-llama", None, tracking, open_reader=mlflow.open_reader)
