"""The one tag of digests and paths: nothing gets lost in it, damage is noticed, older versions are read."""

import json

import pytest

from quantgate.registry import Tracking, record
from quantgate.registry.evidence_facts import version_facts
from quantgate.registry.facts import to_tags
from quantgate.registry.lineage_tag import (
    GATHERED,
    LINEAGE,
    filter_of,
    gathered,
    held_names,
    spread,
)
from quantgate.registry.questions.lookups import find
from quantgate.registry.questions.wishes import LookupRequest
from quantgate.registry.seals import sealed
from tests.support.registered.registries import MemoryRegistry, Sample, evidence_of

MODEL = "support-llama"


@pytest.fixture
def tags(tracking: Tracking) -> dict[str, str]:
    """A version's tags, each by its own name."""
    return sealed(to_tags(version_facts(evidence_of(Sample(), tracking.store))))


def test_a_version_has_few_tags_and_every_fact(tags: dict[str, str]) -> None:
    held = gathered(tags)
    assert len(held) == 21
    assert "policy_digest" not in held
    assert json.loads(held[LINEAGE])["policy_digest"] == tags["policy_digest"]
    assert {name: spread(held)[name] for name in tags} == tags
    assert gathered(spread(held)) == held


def test_what_registries_are_asked_for_has_a_tag_of_its_own() -> None:
    wished = LookupRequest(model=MODEL, format="gguf", kv="q8_0").tags
    assert GATHERED & {*wished, "verdict", "suite_name", "scope", "subject_key"} == set()
    with pytest.raises(ValueError, match="no version has tags of these names: policy_digest"):
        filter_of(policy_digest="0" * 64)


def test_whoever_asks_for_what_stands_in_it_reads_it() -> None:
    assert held_names(("source", "base_weights_digest")) == (
        "source",
        "base_weights_digest",
        LINEAGE,
    )
    assert held_names(("source",)) == ("source",)
    assert held_names(()) == ()


def test_a_version_from_before_there_was_one_is_read_as_it_is(tags: dict[str, str]) -> None:
    assert spread(tags) == tags


def test_what_an_earlier_release_gathered_is_read(tags: dict[str, str]) -> None:
    held = gathered(tags)
    inside = json.loads(held[LINEAGE]) | {"identifier": held.pop("identifier")}
    assert spread({**held, LINEAGE: json.dumps(inside)})["identifier"] == tags["identifier"]
    assert spread({**held, LINEAGE: json.dumps({"theirs": "yes"})}).keys() == {*held, LINEAGE}


def test_a_tag_that_somebody_adds_beside_it_changes_nothing(tags: dict[str, str]) -> None:
    held = {**gathered(tags), "policy_digest": "0" * 64}
    assert spread(held)["policy_digest"] == tags["policy_digest"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"policy_digest": 7}'])
def test_a_version_whose_lineage_was_damaged_is_not_returned(tracking: Tracking, text: str) -> None:
    mlflow = MemoryRegistry()
    for size_bytes in (4000, 8000):
        evidence = evidence_of(
            Sample(recipe=f"Q{size_bytes}", size_bytes=size_bytes), tracking.store
        )
        record(evidence, tracking, open_registry=mlflow.open)
    version = mlflow.models[MODEL]["1"]
    for name in GATHERED:
        version.tags.pop(name, None)  # type: ignore[attr-defined]  # a dict of the memory registry
    mlflow.set_version_tag(MODEL, "1", LINEAGE, text)
    found = find(LookupRequest(model=MODEL), tracking, open_reader=mlflow.open_reader)
    assert found.version == "2"
    assert "altered" in str(found.passed_over[0])
