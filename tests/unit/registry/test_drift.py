"""Corpora and drift in the registry: recorded once, found by digest, shown with each variant."""

from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.files.records import to_json
from quantgate.registry import CorpusDrift, Tracking, record, record_corpus, record_drift
from quantgate.registry.corpora.drift import NO_DRIFT, newest_drift
from quantgate.registry.corpora.experiments import DRIFT, card_line, experiment_of, recorded_corpus
from quantgate.registry.questions.lineages import trace
from quantgate.registry.questions.lookups import find
from quantgate.registry.questions.wishes import LookupRequest
from tests.support.registered.registries import (
    MemoryReader,
    MemoryRegistry,
    PowerCutError,
    Sample,
    evidence_of,
)

LABEL = "support-traffic@1"
CORPUS = Corpus(
    name="support-traffic",
    version=1,
    digest=digest_of(LABEL),
    sequence_count=512,
    folder=Path("corpora/support-traffic/1"),
)
MONDAY = CorpusDrift(
    corpus=LABEL,
    corpus_digest=digest_of(LABEL),
    traffic="monday.jsonl",
    traffic_digest=digest_of("monday"),
    key=digest_of("comparison with monday"),
    decision=NO_DRIFT,
    distance=0.25,
    alarms=(),
    compared_at="2026-11-16T08:00:00+00:00",
)
TUESDAY = replace(
    MONDAY,
    traffic="tuesday.jsonl",
    key=digest_of("comparison with tuesday"),
    decision=DRIFT,
    distance=3.5,
    alarms=("languages", "n-grams"),
    compared_at="2026-11-17T08:00:00+00:00",
)


@pytest.fixture
def mlflow(tracking: Tracking) -> MemoryRegistry:
    registry = MemoryRegistry()
    for sample in (Sample(recipe="Q8_0", size_bytes=8000, corpus=None), Sample()):
        record(evidence_of(sample, tracking.store), tracking, open_registry=registry.open)
    return registry


def _card(folder: Path) -> Path:
    path = folder / "card.json"
    path.write_text("{}")
    return path


def test_a_corpus_is_a_dataset_with_its_own_digest_and_its_card_as_tags(
    tmp_path: Path, tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    card: dict[str, str | int | float] = {"tokens": 61000, "licence": "MIT", "source.a: b": 3}
    receipt = record_corpus(
        CORPUS, tracking, card=card, files=(_card(tmp_path),), open_registry=mlflow.open
    )
    tags, content = mlflow.runs[receipt.run_id], mlflow.contents[receipt.run_id]
    assert tags["corpus_digest"] == CORPUS.digest
    assert (tags["card.tokens"], tags["card.licence"]) == ("61000", "MIT")
    assert tags["card.source.a_ b"] == "3"
    assert content.metrics["sequences"] == 512.0
    assert "licence" not in content.metrics
    assert [(one.name, one.sha256, one.role) for one in content.inputs] == [
        (LABEL, CORPUS.digest, "calibration")
    ]
    assert mlflow.files[receipt.run_id] == {"card.json": b"{}"}
    assert mlflow.homes[receipt.run_id] == "experiment of corpora/support-traffic"


def test_a_corpus_is_recorded_once_also_after_a_power_cut(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    runs = len(mlflow.runs)
    for operation in ("fill_run", "finish_run"):
        mlflow.dies_before = operation
        with pytest.raises(PowerCutError):
            record_corpus(CORPUS, tracking, open_registry=mlflow.open)
    first = record_corpus(CORPUS, tracking, open_registry=mlflow.open)
    assert record_corpus(CORPUS, tracking, open_registry=mlflow.open) == first
    assert len(mlflow.runs) == runs + 1
    assert first.run_id in mlflow.finished


def test_drift_is_shown_with_the_variant_that_was_calibrated_on_the_corpus(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    wanted = LookupRequest(model="support-llama")
    assert find(wanted, tracking, open_reader=mlflow.open_reader).drift is None
    for drift in (
        TUESDAY,
        MONDAY,
    ):  # the newest is the one compared last, not the one recorded last
        record_drift(drift, CORPUS, {"languages/effect": 0.1}, tracking, open_registry=mlflow.open)
    found = find(wanted, tracking, open_reader=mlflow.open_reader)
    assert found.drift == TUESDAY
    shown = to_json(found)
    assert isinstance(shown, dict)
    assert shown["drift"] == to_json(TUESDAY)
    assert str(found.drift) == (
        "drift in languages, n-grams, 3.50 of the threshold, tuesday.jsonl on 2026-11-17"
    )


def test_lineage_shows_the_corpuss_card_and_how_far_traffic_has_moved(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    before = {
        step.kind for step in trace("support-llama", tracking, open_reader=mlflow.open_reader).steps
    }
    assert not before & {"corpus card", "traffic since"}
    recorded = record_corpus(CORPUS, tracking, card={"tokens": 9}, open_registry=mlflow.open)
    record_drift(MONDAY, CORPUS, {}, tracking, open_registry=mlflow.open)
    steps = {
        step.kind: step
        for step in trace(
            "support-llama@support-desk", tracking, open_reader=mlflow.open_reader
        ).steps
    }
    assert steps["corpus card"].name == "sequences 512, tokens 9"
    assert steps["corpus card"].digest == f"run {recorded.run_id}"
    assert steps["traffic since"].name.startswith("no drift, 0.25 of the threshold, monday.jsonl")
    assert steps["traffic since"].digest == MONDAY.key


def test_a_variant_without_corpus_has_no_drift_and_asks_nothing(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    mlflow.calls.clear()
    found = find(
        LookupRequest(model="support-llama", max_size_bytes=9000, format="gguf"),
        tracking,
        open_reader=mlflow.open_reader,
    )
    assert found.facts.corpus != "none"  # the smallest is calibrated
    assert mlflow.calls.count("tagged_runs") == 1
    mlflow.calls.clear()
    traced = trace("support-llama/1", tracking, open_reader=mlflow.open_reader)
    assert traced.found.drift is None
    assert "tagged_runs" not in mlflow.calls


def test_drift_of_other_content_under_the_same_name_is_not_shown(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    rebuilt = replace(CORPUS, version=2, digest=digest_of("rebuilt"))
    other = replace(MONDAY, corpus=rebuilt.label, corpus_digest=rebuilt.digest)
    record_drift(other, rebuilt, {}, tracking, open_registry=mlflow.open)
    assert (
        find(LookupRequest(model="support-llama"), tracking, open_reader=mlflow.open_reader).drift
        is None
    )
    assert newest_drift(MemoryReader(mlflow), rebuilt.label, rebuilt.digest) == other
    assert recorded_corpus(MemoryReader(mlflow), rebuilt.label, rebuilt.digest) is None


def test_altered_tags_are_an_error_that_names_the_run(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    receipt = record_drift(MONDAY, CORPUS, {}, tracking, open_registry=mlflow.open)
    mlflow.runs[receipt.run_id]["drift_distance"] = "far"
    with pytest.raises(InputError, match="tags were altered") as caught:
        newest_drift(MemoryReader(mlflow), LABEL, CORPUS.digest)
    assert receipt.run_id in str(caught.value.where)


def test_a_drift_run_has_both_sides_as_inputs(tracking: Tracking, mlflow: MemoryRegistry) -> None:
    receipt = record_drift(
        MONDAY, CORPUS, {"tokens/effect": 0.5}, tracking, open_registry=mlflow.open
    )
    content = mlflow.contents[receipt.run_id]
    assert content.metrics == {"distance": 0.25, "tokens/effect": 0.5}
    assert [(one.role, one.sha256) for one in content.inputs] == [
        ("calibration", CORPUS.digest),
        ("traffic", MONDAY.traffic_digest),
    ]


def test_a_corpuss_experiment_cannot_be_a_models() -> None:
    assert experiment_of("support-traffic@7") == experiment_of("support-traffic")
    assert "/" in experiment_of("support-traffic")  # refused in names of models


def test_a_card_without_numbers_is_an_empty_line(
    tracking: Tracking, mlflow: MemoryRegistry
) -> None:
    record_corpus(CORPUS, tracking, open_registry=mlflow.open)
    run = recorded_corpus(MemoryReader(mlflow), LABEL, CORPUS.digest)
    assert run is not None
    assert card_line(run) == "sequences 512"
    assert card_line(replace(run, tags={})) == ""
