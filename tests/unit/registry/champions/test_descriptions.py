"""What MLflow's pages say in words: what holds now, of every suite, whoever decided it."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.files.sealed import Manifest, read_manifest
from quantgate.registry import Decider, Tracking, VersionName, record, retire, waive
from quantgate.registry.champions.decisions import VerdictWaiver, written
from quantgate.registry.champions.descriptions import version_description
from quantgate.registry.recording.model_manifest import write_model_manifest
from quantgate.registry.tags import waiver_tag
from tests.support.registered.registries import (
    SUITE,
    MemoryRegistry,
    Sample,
    evidence_of,
    other_digest,
)

MODEL = "support-llama"
OTHER = replace(SUITE, name="billing", version=1, digest=other_digest("billing"))
NEWER = replace(SUITE, version=4, digest=other_digest("suite 4"))
BY = Decider(reason="answers slowly", who="Ada")
NAME = VersionName(model=MODEL, number="1")


@pytest.fixture
def mlflow() -> MemoryRegistry:
    return MemoryRegistry()


def recorded(mlflow: MemoryRegistry, tracking: Tracking, **what: Any) -> str:
    """Record evidence and return what its version's page says then."""
    evidence = evidence_of(replace(Sample(), **what), tracking.store)
    record(evidence, tracking, open_registry=mlflow.open)
    return mlflow.models[MODEL]["1"].description


def test_a_page_has_the_verdict_the_slices_and_how_to_use_it(
    mlflow: MemoryRegistry, tracking: Tracking
) -> None:
    text = recorded(mlflow, tracking)
    first, *_ = text.splitlines()
    assert first.startswith(
        "Passes the test suite support-desk@3 in llama.cpp 0.3.36 on cpu, KV f16"
    )
    assert "It gets 95.0% of the items right, its base 95.0%." in first
    plain = text.replace(" &nbsp; ", " ")
    assert "| numeric copy | 403 | 95.0% | 95.0% | 0 of 378 | 0 | 2.0% | pass |" in plain
    assert f'mlflow.pyfunc.load_model("models:/{MODEL}/1")' in text
    assert f"quantgate pull {MODEL}/1 --to models" in text
    assert "`@support-desk`" in mlflow.descriptions[MODEL]


def test_its_tables_are_tables_to_whoever_reads_markdown(
    mlflow: MemoryRegistry, tracking: Tracking
) -> None:
    text = recorded(mlflow, tracking)
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert html.count("<table>") == text.count("\n| ---") >= 2
    assert "<td>numeric copy" in html
    assert "| ---" not in html


def test_recording_it_again_writes_nothing_anew(mlflow: MemoryRegistry, tracking: Tracking) -> None:
    text = recorded(mlflow, tracking)
    assert recorded(mlflow, tracking) == text
    assert mlflow.calls.count("describe_version") == 1


def test_a_newer_verdict_that_fails_takes_the_word_passes_away(
    mlflow: MemoryRegistry, tracking: Tracking
) -> None:
    recorded(mlflow, tracking)
    text = recorded(mlflow, tracking, suite=NEWER, decision=Decision.FAIL, broke=90)
    assert text.startswith("Does **not** pass the test suite support-desk@4 (fail)")
    assert "Passes" not in text
    assert "90 of 378" in text
    assert "0 of 378" not in text.replace("90 of 378", "")


def test_every_suite_has_a_sentence_and_a_section(
    mlflow: MemoryRegistry, tracking: Tracking
) -> None:
    recorded(mlflow, tracking)
    text = recorded(mlflow, tracking, suite=OTHER, decision=Decision.FAIL, broke=90)
    assert text.index("Passes the test suite support-desk@3") < text.index(
        "Does **not** pass the test suite billing@1"
    )
    assert (
        text.index("## Slices of support-desk")
        < text.index("## Slices of billing")
        < text.index("## Use it")
    )
    again = recorded(mlflow, tracking)
    assert "90 of 378" in again, "the other suite's section stays"


def test_what_people_decide_stands_first(mlflow: MemoryRegistry, tracking: Tracking) -> None:
    recorded(mlflow, tracking)
    recorded(mlflow, tracking, suite=NEWER, decision=Decision.FAIL, broke=90)
    until = datetime.now(UTC).date() + timedelta(days=2)
    waive(NAME, tracking, by=BY, until=until, open_registry=mlflow.open)
    waived = mlflow.models[MODEL]["1"].description
    assert f"**Waived until {until}**: answers slowly (Ada)." in waived
    retire(NAME, tracking, by=BY, open_registry=mlflow.open)
    retired = mlflow.models[MODEL]["1"].description
    assert retired.startswith("Out of use: retired by Ada: answers slowly")
    assert "## Slices of support-desk" in retired


def test_what_the_model_of_mlflow_samples_is_that_of_the_newest_suite_that_passes(
    mlflow: MemoryRegistry, tracking: Tracking
) -> None:
    recorded(mlflow, tracking)
    short = replace(OTHER, decode=replace(OTHER.decode, max_tokens=7))
    recorded(mlflow, tracking, suite=short)
    manifest = json.loads(mlflow.manifests["run0"])
    assert manifest["suite"] == "billing"
    assert {name: each["max_tokens"] for name, each in manifest["decode"].items()} == {
        "billing": 7,
        "support-desk": 64,
    }
    newer = replace(short, version=2, digest=other_digest("billing 2"))
    recorded(mlflow, tracking, suite=newer, decision=Decision.FAIL)
    assert json.loads(mlflow.manifests["run0"])["suite"] == "support-desk"


def test_a_version_from_before_decode_settings_is_loaded_as_the_suite_at_hand_says(
    mlflow: MemoryRegistry, tracking: Tracking, tmp_path: Path
) -> None:
    recorded(mlflow, tracking)
    evidence = evidence_of(Sample(), tracking.store)
    tags = {k: v for k, v in mlflow.models[MODEL]["1"].tags.items() if k != "decode"}
    sealed_manifest: Manifest[object] = read_manifest(evidence.variant.folder, object)
    write_model_manifest(evidence, sealed_manifest, tmp_path / "manifest.json", tags)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert (manifest["suite"], manifest["decode"]) == ("support-desk", {})


def test_whether_a_waiver_is_past_goes_by_the_day_in_utc(
    mlflow: MemoryRegistry, tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(mlflow, tracking)
    recorded(mlflow, tracking, suite=NEWER, decision=Decision.FAIL, broke=90)
    today = datetime.now(UTC)
    tomorrow_here = today.hour >= 10  # 14 hours east of here; else it is yesterday 12 hours west
    monkeypatch.setenv("TZ", "Etc/GMT-14" if tomorrow_here else "Etc/GMT+12")
    time.tzset()
    try:
        for days, past in ((0, False), (-1, True)):
            version = mlflow.models[MODEL]["1"]
            waiver = VerdictWaiver(
                reason="slow", who="Ada", until=(today + timedelta(days=days)).date().isoformat(),
                evidence_key=version.tags["evidence_key"],
            )  # fmt: skip
            tags = {**version.tags, waiver_tag(SUITE.name): written(waiver)}
            text = version_description(MODEL, replace(version, tags=tags))
            assert "Waived until" in text
            assert (", which is past" in text) is past
    finally:
        monkeypatch.undo()
        time.tzset()
