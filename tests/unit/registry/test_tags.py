"""One table of facts and tags: every fact of a version has one tag, and comes back from it."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.checkpoint import GgufOrigin
from quantgate.pipelines.domain.values import digest_of
from quantgate.registry.evidence_facts import version_facts
from quantgate.registry.facts import (
    VERSION_TAGS,
    Digests,
    OriginFacts,
    RuntimeFacts,
    SpeedFacts,
    VersionFacts,
    from_tags,
    to_tags,
)
from quantgate.registry.lineage_tag import filter_of
from quantgate.registry.tags import NONE, Renewal
from tests.support.registered.registries import Sample, evidence_of, tracking_in


def test_every_fact_of_a_version_stands_in_the_table_once() -> None:
    parts = {
        "runtime": RuntimeFacts,
        "digests": Digests,
        "origin": OriginFacts,
        "speed": SpeedFacts,
    }
    facts = [
        f"{field.name}.{part.name}" if field.name in parts else field.name
        for field in fields(VersionFacts)
        for part in (fields(parts[field.name]) if field.name in parts else (field,))
    ]
    held = [tag.fact for tag in VERSION_TAGS if not tag.derived]
    assert sorted(held) == sorted(facts)
    assert len({tag.name for tag in VERSION_TAGS}) == len(VERSION_TAGS)


@pytest.mark.parametrize("fewest", [False, True])
def test_facts_come_back_from_their_tags(tmp_path: Path, fewest: bool) -> None:
    facts = version_facts(evidence_of(Sample(), tracking_in(tmp_path).store))
    if fewest:
        facts = replace(
            facts, accuracy=None, reference_accuracy=None, unproven_slices=(), corpus=NONE
        )
    assert from_tags(to_tags(facts), "here") == facts


def test_what_a_base_had_lost_is_a_tag_and_another_reason_other_evidence(tmp_path: Path) -> None:
    plain = evidence_of(Sample(), tracking_in(tmp_path).store)
    origin = GgufOrigin(
        file=Path("m.gguf"), sha256=digest_of("m"), file_type="Q4_1", expansion="no wider one"
    )
    expanded = replace(plain, checkpoint=replace(plain.checkpoint, origin=origin))
    facts = version_facts(expanded)
    assert to_tags(facts)["base_loss"] == "expanded from Q4_1 (no wider one)"
    assert facts.base_note == "expanded from Q4_1 (no wider one)"
    assert to_tags(version_facts(plain))["base_loss"] == NONE
    assert version_facts(plain).base_note is None
    assert expanded.key != plain.key
    older = {name: text for name, text in to_tags(facts).items() if name != "base_loss"}
    assert from_tags(older, "here").base_note is None


def test_what_says_where_files_lie_is_renewed_and_identities_never_are() -> None:
    renewal = {tag.name: tag.renewal for tag in VERSION_TAGS}
    places = [name for name, when in renewal.items() if when is Renewal.PLACE]
    assert places == ["origin_source", "location", "artifact", "manifest_digest"]
    assert {renewal[name] for name in ("version_key", "scope", "evidence_key")} == {Renewal.NEVER}


def test_a_search_for_a_tag_that_no_version_has_is_refused() -> None:
    assert filter_of(verdict="pass", scope="s") == {"verdict": "pass", "scope": "s"}
    with pytest.raises(ValueError, match="no version has tags of these names: verdikt"):
        filter_of(verdikt="pass")
