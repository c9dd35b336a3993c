"""Whose a registered model's name is: its base's, in whatever revision; another base's is told."""

from dataclasses import replace

from quantgate.registry import Tracking, record
from quantgate.registry.recording.names import other_base
from tests.support.registered.registries import (
    MemoryRegistry,
    Sample,
    evidence_of,
)

MODEL = "support-llama"


def told(mlflow: MemoryRegistry, tracking: Tracking, **what: str) -> str | None:
    """Who has the name of a checkpoint that differs so from the one that is registered."""
    checkpoint = evidence_of(Sample(base="another"), tracking.store).checkpoint
    given = replace(checkpoint, **what)  # type: ignore[arg-type]
    return other_base(given, tracking, open_reader=mlflow.open_reader)


def test_a_name_that_nobody_has_is_free(tracking: Tracking) -> None:
    assert told(MemoryRegistry(), tracking) is None


def test_another_revision_of_a_repository_has_its_name(tracking: Tracking) -> None:
    mlflow = MemoryRegistry()
    record(evidence_of(Sample(), tracking.store), tracking, open_registry=mlflow.open)
    assert told(mlflow, tracking, source=f"org/base@{'1' * 40}") is None
    assert told(mlflow, tracking, source=f"team-b/base@{'1' * 40}") == f"org/base@{'0' * 40}"
    assert told(mlflow, tracking, source="/models/base") == f"org/base@{'0' * 40}"


def test_a_folder_has_its_name_whatever_lies_in_it_and_the_same_weights_anywhere(
    tracking: Tracking,
) -> None:
    mlflow = MemoryRegistry()
    evidence = evidence_of(Sample(), tracking.store)
    local = replace(evidence, checkpoint=replace(evidence.checkpoint, source="/models/base"))
    record(local, tracking, open_registry=mlflow.open)
    assert told(mlflow, tracking, source="/models/base") is None
    assert told(mlflow, tracking, source="/moved/base") == "/models/base"
    moved = replace(local.checkpoint, source="/moved/base")
    assert other_base(moved, tracking, open_reader=mlflow.open_reader) is None


def test_a_model_registered_by_hand_has_no_base(tracking: Tracking) -> None:
    mlflow = MemoryRegistry()
    mlflow.create_version(MODEL, "", {"source": "org/by-hand"})
    assert told(mlflow, tracking) is None
