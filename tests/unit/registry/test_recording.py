"""Recording: one run per evidence, one version per passing variant, whatever was interrupted."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.domain.verdicts.waiver import BaseDivergenceWaiver
from quantgate.pipelines.files.store import Store
from quantgate.registry import Tracking, record
from quantgate.registry.champions.judged import on_suite, suites_of
from quantgate.registry.evidence import Evidence
from quantgate.registry.facts import from_tags
from quantgate.registry.recording.content import run_content
from quantgate.registry.recording.receipts import find_receipt
from quantgate.registry.seals import seal_state
from tests.support.registered.registries import (
    SUITE,
    MemoryRegistry,
    PowerCutError,
    Sample,
    evidence_of,
    other_digest,
    tracking_in,
)
from tests.support.verdicts.speeds import timed_twice_as_fast

MODEL = "support-llama"
OPERATIONS = (
    "experiment",
    "find_run",
    "start_run",
    "fill_run",
    "add_model",
    "renew_model",
    "finish_run",
    "versions",
    "create_version",
    "aliases",
    "point_alias",
)


@pytest.fixture
def tracking(tmp_path: Path) -> Tracking:
    return tracking_in(tmp_path / "store")


def made(tracking: Tracking, **what: object) -> Evidence:
    return evidence_of(replace(Sample(), **what), tracking.store)  # type: ignore[arg-type]


def test_a_passing_variant_becomes_a_run_and_a_version_with_its_lineage(tracking: Tracking) -> None:
    mlflow = MemoryRegistry()
    receipt = record(made(tracking), tracking, open_registry=mlflow.open)
    version = mlflow.models[MODEL]["1"]
    assert receipt.version == "1"
    assert mlflow.pointers[MODEL] == {"support-desk": "1"}
    assert version.tags["corpus"] == "support-traffic@1"
    assert version.tags["suite"] == "support-desk@3"
    assert version.tags["unproven_slices"] == "tail"
    assert version.tags["numerics"] == "W4/A8/KV16"
    assert mlflow.finished == {receipt.run_id}
    content = mlflow.contents[receipt.run_id]
    assert content.metrics["accuracy_reference"] == 383 / 403
    assert content.metrics["slice/numeric copy/broke"] == 0
    assert {given.role for given in content.inputs} == {"evaluation", "calibration"}


@pytest.mark.parametrize("decision", [Decision.FAIL, Decision.INCONCLUSIVE])
def test_a_variant_that_did_not_pass_is_a_run_and_never_a_version(
    tracking: Tracking, decision: Decision
) -> None:
    mlflow = MemoryRegistry()
    receipt = record(made(tracking, decision=decision), tracking, open_registry=mlflow.open)
    assert receipt.version is None
    assert mlflow.models == {}
    assert mlflow.runs[receipt.run_id]["verdict"] == decision.value


def test_a_variant_that_failed_its_audit_before_any_item_was_asked_is_recorded(
    tracking: Tracking,
) -> None:
    evidence = made(tracking, decision=Decision.FAIL)
    verdict = replace(evidence.verdict, whole=None, run_key=None, slices=(), items=())
    mlflow = MemoryRegistry()
    receipt = record(replace(evidence, verdict=verdict), tracking, open_registry=mlflow.open)
    assert "accuracy_variant" not in mlflow.contents[receipt.run_id].metrics


def test_recording_twice_leaves_one_run_and_one_version(tracking: Tracking) -> None:
    mlflow = MemoryRegistry()
    evidence = made(tracking)
    first = record(evidence, tracking, open_registry=mlflow.open)
    assert record(evidence, tracking, open_registry=mlflow.open) == first
    assert len(mlflow.runs) == len(mlflow.models[MODEL]) == 1
    assert mlflow.calls.count("fill_run") == 1
    assert find_receipt(evidence.key, tracking) == first


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_recording_killed_anywhere_is_completed_by_the_next_one(
    tracking: Tracking, operation: str
) -> None:
    mlflow = MemoryRegistry(dies_before=operation)
    evidence = made(tracking)
    with pytest.raises(PowerCutError):
        record(evidence, tracking, open_registry=mlflow.open)
    assert find_receipt(evidence.key, tracking) is None
    record(evidence, tracking, open_registry=mlflow.open)
    assert len(mlflow.runs) == len(mlflow.models[MODEL]) == 1
    assert mlflow.finished == set(mlflow.runs)
    assert mlflow.pointers[MODEL] == {"support-desk": "1"}


def test_another_machine_registering_at_the_same_moment_leaves_one_version(
    tracking: Tracking,
) -> None:
    class Crowded(MemoryRegistry):
        """Someone else's identical version appears just before ours."""

        def create_version(self, model, run_id, tags):  # type: ignore[no-untyped-def]
            super().create_version(model, "their run", tags)
            return super().create_version(model, run_id, tags)

    mlflow = Crowded()
    receipt = record(made(tracking), tracking, open_registry=mlflow.open)
    assert list(mlflow.models[MODEL]) == ["1"]
    assert receipt.version == "1"


def test_the_alias_points_at_the_smallest_variant_that_passed(tracking: Tracking) -> None:
    mlflow = MemoryRegistry()
    for recipe, size_bytes, decision in (
        ("Q8_0", 8000, Decision.PASS),
        ("Q4_K_M", 4000, Decision.PASS),
        ("W4A16", 5000, Decision.PASS),
        ("Q2_K", 2000, Decision.FAIL),
    ):
        evidence = made(tracking, recipe=recipe, size_bytes=size_bytes, decision=decision)
        record(evidence, tracking, open_registry=mlflow.open)
    assert mlflow.pointers[MODEL] == {"support-desk": "2"}
    assert mlflow.models[MODEL]["2"].tags["recipe"] == "Q4_K_M"


@pytest.mark.parametrize(
    "change",
    [
        {"suite": replace(SUITE, version=4, digest=other_digest("suite"))},
        {"policy": Policy(max_break_rate=0.05)},
        {"base": "a newer base"},
    ],
    ids=["suite", "policy", "base"],
)
def test_a_smaller_variant_judged_otherwise_does_not_keep_the_alias(
    tracking: Tracking, change: dict[str, object]
) -> None:
    mlflow = MemoryRegistry()
    record(made(tracking, size_bytes=1000), tracking, open_registry=mlflow.open)
    newer = made(tracking, recipe="Q8_0", size_bytes=8000, **change)
    receipt = record(newer, tracking, open_registry=mlflow.open)
    assert mlflow.pointers[MODEL] == {"support-desk": receipt.version}


def test_an_edited_suite_under_the_version_of_another_machine_is_refused_with_both_digests(
    tracking: Tracking,
) -> None:
    mlflow = MemoryRegistry()
    record(made(tracking), tracking, open_registry=mlflow.open)
    edited = replace(SUITE, digest=other_digest("suite"))
    with pytest.raises(InputError, match=r"support-desk@3 is another content") as caught:
        record(made(tracking, recipe="Q8_0", suite=edited), tracking, open_registry=mlflow.open)
    assert SUITE.digest[:12] in str(caught.value)
    assert edited.digest[:12] in str(caught.value)
    assert len(mlflow.runs) == len(mlflow.models[MODEL]) == 1


def test_later_evidence_against_the_same_variant_withdraws_its_version(tracking: Tracking) -> None:
    mlflow = MemoryRegistry()
    record(made(tracking), tracking, open_registry=mlflow.open)
    failed = made(tracking, decision=Decision.FAIL, broke=90)
    record(failed, tracking, open_registry=mlflow.open)
    assert mlflow.models[MODEL]["1"].tags["verdict"] == "fail"
    assert mlflow.pointers[MODEL] == {}
    assert len(mlflow.runs) == 2


@pytest.mark.parametrize("operation", ["aliases", "point_alias", "set_version_tag"])
def test_a_withdrawal_killed_anywhere_leaves_no_alias_on_what_does_not_pass(
    tracking: Tracking, operation: str
) -> None:
    mlflow = MemoryRegistry()
    record(made(tracking, recipe="Q8_0", size_bytes=8000), tracking, open_registry=mlflow.open)
    record(made(tracking), tracking, open_registry=mlflow.open)
    assert mlflow.pointers[MODEL] == {"support-desk": "2"}
    mlflow.dies_before = operation
    failed = made(tracking, decision=Decision.FAIL, broke=90)
    with pytest.raises(PowerCutError):
        record(failed, tracking, open_registry=mlflow.open)
    pointed = mlflow.pointers[MODEL]["support-desk"]
    assert mlflow.models[MODEL][pointed].tags["verdict"] == "pass"
    record(failed, tracking, open_registry=mlflow.open)
    assert mlflow.pointers[MODEL] == {"support-desk": "1"}
    assert mlflow.models[MODEL]["2"].tags["verdict"] == "fail"


def test_another_runtime_is_another_verdict_and_another_version(tracking: Tracking) -> None:
    mlflow = MemoryRegistry()
    for engine in ("llama.cpp", "transformers"):
        record(made(tracking, engine=engine), tracking, open_registry=mlflow.open)
    assert len(mlflow.models[MODEL]) == 2


def test_other_template_variables_are_another_verdict_and_another_version(
    tracking: Tracking,
) -> None:
    mlflow = MemoryRegistry()
    silent = replace(SUITE, template_variables={"enable_thinking": False})
    record(made(tracking, suite=silent), tracking, open_registry=mlflow.open)
    failed = made(tracking, decision=Decision.FAIL, broke=90)
    record(failed, tracking, open_registry=mlflow.open)
    assert mlflow.models[MODEL]["1"].tags["verdict"] == "pass"
    assert mlflow.pointers[MODEL] == {SUITE.name: "1"}
    parameters = run_content(made(tracking, suite=silent)).parameters
    assert parameters["template_variables"] == '{"enable_thinking":false}'


def test_a_waiver_that_is_needed_later_is_in_the_lineage_from_then_on(tracking: Tracking) -> None:
    mlflow = MemoryRegistry()
    sound = made(tracking)
    record(sound, tracking, open_registry=mlflow.open)
    waiver = BaseDivergenceWaiver(reason="known", who="Ada", expires=date(9999, 12, 31))
    waived = replace(sound, base_divergence_waiver=waiver)
    for evidence in (waived, sound):
        record(evidence, tracking, open_registry=mlflow.open)
        assert len(mlflow.models[MODEL]) == 1
        assert mlflow.models[MODEL]["1"].tags["waiver"] == waived.waiver


def test_an_architecture_that_nobody_reviewed_is_called_so_for_ever(tracking: Tracking) -> None:
    mlflow = MemoryRegistry()
    sound = made(tracking)
    unreviewed = replace(sound, checkpoint=replace(sound.checkpoint, reviewed=False))
    record(unreviewed, tracking, open_registry=mlflow.open)
    tags = mlflow.models[MODEL]["1"].tags
    assert tags["architecture_review"] == "unreviewed"
    facts = from_tags(tags, "here")
    assert facts.base_note == "architecture: unreviewed"
    of_before = {name: text for name, text in tags.items() if name != "architecture_review"}
    assert from_tags(of_before, "here").base_note is None


def test_evidence_that_does_not_belong_together_is_refused(tracking: Tracking) -> None:
    evidence = made(tracking)
    stranger = replace(evidence, suite=replace(SUITE, digest=other_digest("suite")))
    with pytest.raises(InputError, match="another suite"):
        record(stranger, tracking, open_registry=MemoryRegistry().open)
    other = made(tracking, base="another base")
    with pytest.raises(InputError, match="another base"):
        record(
            replace(evidence, checkpoint=other.checkpoint),
            tracking,
            open_registry=MemoryRegistry().open,
        )


def test_a_pass_without_statistics_is_refused(tracking: Tracking) -> None:
    evidence = made(tracking)
    hollow = replace(evidence, verdict=replace(evidence.verdict, whole=None))
    with pytest.raises(InputError, match="without statistics"):
        record(hollow, tracking, open_registry=MemoryRegistry().open)


def test_a_variant_rebuilt_with_other_bytes_is_not_the_one_that_was_judged(tmp_path: Path) -> None:
    tracking = tracking_in(tmp_path / "store")
    evidence = made(tracking)
    altered = replace(evidence.variant, files_digest=other_digest("files"))
    with pytest.raises(InputError, match="not the one that was judged"):
        record(replace(evidence, variant=altered), tracking, open_registry=MemoryRegistry().open)


def test_receipts_of_two_registries_do_not_mix(tmp_path: Path) -> None:
    store = Store(root=tmp_path)
    here = Tracking.resolve(store, environment={})
    there = Tracking.resolve(store, uri="http://127.0.0.1:1", environment={})
    evidence = made(here)
    record(evidence, here, open_registry=MemoryRegistry().open)
    assert find_receipt(evidence.key, there) is None


def test_each_suite_keeps_a_seal_that_holds_whatever_was_measured_for_another(
    tracking: Tracking,
) -> None:
    mlflow = MemoryRegistry()
    other = replace(SUITE, name="billing", digest=other_digest("billing"))
    desk, billing = made(tracking), made(tracking, suite=other)
    unreviewed = replace(billing, checkpoint=replace(billing.checkpoint, reviewed=False))
    timed = timed_twice_as_fast()
    for evidence in (
        desk,
        replace(billing, speed=timed),
        replace(desk, speed=replace(timed, variant=timed.base)),
        replace(unreviewed, speed=timed),
    ):
        record(evidence, tracking, open_registry=mlflow.open)
        tags = mlflow.models[MODEL]["1"].tags
        for suite in suites_of(tags):
            seen = on_suite(tags, suite)
            assert seen is not None
            assert seal_state(seen).is_whole, (suite, evidence.suite.name)
    ratios = {suite: (on_suite(tags, suite) or {})["speed_ratio"] for suite in suites_of(tags)}
    assert len(ratios) == len(set(ratios.values())) == 2
