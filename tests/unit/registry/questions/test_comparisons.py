"""Two versions item by item: what only one verdict lists, they answer unalike."""

import json
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.domain.values import Digest, digest_of, folder_digest
from quantgate.registry import Tracking, record
from quantgate.registry.questions.comparisons import compared
from quantgate.registry.seals import sealed
from tests.support.registered.registries import (
    MemoryRegistry,
    Sample,
    evidence_of,
)

MODEL = "support-llama"
RUNS: Mapping[str, Digest] = {"run0": digest_of("one"), "run1": digest_of("other")}


@pytest.fixture
def mlflow(tracking: Tracking) -> MemoryRegistry:
    registry = MemoryRegistry()
    for size in (4000, 3000):
        sample = Sample(recipe=f"Q{size}", size_bytes=size)
        record(evidence_of(sample, tracking.store), tracking, open_registry=registry.open)
    keep_verdict(registry, "run0", broke=("a", "b"), fixed=("f",))
    keep_verdict(registry, "run1", broke=("a", "c"))
    return registry


def keep_verdict(
    mlflow: MemoryRegistry,
    run: str,
    *,
    broke: tuple[str, ...] = (),
    fixed: tuple[str, ...] = (),
    reference: str = "base",
) -> None:
    changed = [(name, "broke") for name in broke] + [(name, "fixed") for name in fixed]
    items: list[dict[str, Any]] = [
        {
            "item_id": name,
            "slices": ["tail"],
            "outcome": outcome,
            "variant": {"answer": {"text": f"{name} as {run} says it"}},
        }
        for name, outcome in changed
    ]
    verdict = {
        "subject": run, "run_key": RUNS[run], "reference_key": reference, "items": items,
    }  # fmt: skip
    mlflow.files[run]["verdict.json"] = json.dumps(verdict).encode()


def keep_transcript(
    tracking: Tracking, mlflow: MemoryRegistry, run: str, answers: Mapping[str, str]
) -> Path:
    """Keep what a version's run said, and register its digest."""
    folder = tracking.store.run(run, RUNS[run])
    folder.mkdir(parents=True)
    lines = "".join(json.dumps({"item_id": i, "text": t}) + "\n" for i, t in answers.items())
    (folder / "transcript.jsonl").write_text(lines)
    listed = [{"path": "transcript.jsonl", "sha256": sha256(lines.encode()).hexdigest()}]
    (folder / "manifest.json").write_text(
        json.dumps({"files": listed, "digest": "that of another"})
    )
    digest = folder_digest((file["path"], Digest(file["sha256"])) for file in listed)
    for number, version in mlflow.models[MODEL].items():
        if version.run_id == run:
            tags = sealed({**version.tags, "transcript_digest": digest})
            mlflow.models[MODEL][number] = replace(version, tags=tags)
    return folder


def test_items_that_only_one_verdict_lists_are_answered_unalike(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    found = compared(f"{MODEL}/1", f"{MODEL}/2", tracking, open_reader=mlflow.open_reader)
    assert found.items is not None
    assert {item.item_id: (item.first_is_right, item.second_is_right) for item in found.items} == {
        "b": (False, True),
        "c": (True, False),
        "f": (True, False),
    }
    answers = {item.item_id: (item.first_answer, item.second_answer) for item in found.items}
    assert answers["b"] == ("b as run0 says it", None)
    assert found.changed_answers is None


def test_facts_that_differ_are_named_and_paths_are_not(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    found = compared(f"{MODEL}/1", f"{MODEL}/2", tracking, open_reader=mlflow.open_reader)
    facts = {fact.name: (fact.first, fact.second) for fact in found.facts}
    assert facts["size_bytes"] == ("4000", "3000")
    assert {"location", "artifact", "verdict", "subject_key"} & facts.keys() == set()


def test_where_files_lie_besides_the_store_is_no_difference(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    mlflow.edit_version(MODEL, "2", place="s3://bucket/folder")
    found = compared(f"{MODEL}/1", f"{MODEL}/2", tracking, open_reader=mlflow.open_reader)
    assert found.second.facts.place == "s3://bucket/folder"
    assert "place" not in {fact.name for fact in found.facts}


def test_transcripts_of_the_open_store_give_every_answer(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    keep_transcript(tracking, mlflow, "run0", {"a": "same", "b": "wrong", "c": "right"})
    folder = keep_transcript(tracking, mlflow, "run1", {"a": "same", "b": "right", "c": "wrong"})
    found = compared(f"{MODEL}/1", f"{MODEL}/2", tracking, open_reader=mlflow.open_reader)
    assert found.changed_answers == 2
    assert found.items is not None
    assert (found.items[0].first_answer, found.items[0].second_answer) == ("wrong", "right")
    altered_text = '{"item_id": "a", "text": "altered"}\n'
    (folder / "transcript.jsonl").write_text(altered_text)
    altered = compared(f"{MODEL}/1", f"{MODEL}/2", tracking, open_reader=mlflow.open_reader)
    assert altered.changed_answers is None
    listed = [{"path": "transcript.jsonl", "sha256": sha256(altered_text.encode()).hexdigest()}]
    (folder / "manifest.json").write_text(json.dumps({"files": listed}))  # and its manifest, too
    both = compared(f"{MODEL}/1", f"{MODEL}/2", tracking, open_reader=mlflow.open_reader)
    assert both.changed_answers is None


def test_verdicts_on_different_answers_of_the_base_are_not_compared(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    keep_verdict(mlflow, "run1", reference="another")
    found = compared(f"{MODEL}/1", f"{MODEL}/2", tracking, open_reader=mlflow.open_reader)
    assert found.items is None
    assert "different answers of the base" in found.problem
    assert found.facts


@pytest.mark.parametrize("text", [None, b"", b"{}", b"[]", b'{"items": [1]}'])
def test_a_verdict_that_cannot_be_read_is_said(
    tracking: Tracking, mlflow: MemoryRegistry, text: bytes | None
) -> None:
    if text is None:
        del mlflow.files["run1"]["verdict.json"]
    else:
        mlflow.files["run1"]["verdict.json"] = text
    found = compared(f"{MODEL}/1", f"{MODEL}/2", tracking, open_reader=mlflow.open_reader)
    assert found.items is None
    assert f"models:/{MODEL}/2: its verdict" in found.problem
