"""Look-ups of versions that several suites judged, that were retired, or whose verdict is waived."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quantgate.pipelines.domain.errors import InputError, NotFoundError
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.registry import Decider, RegisteredVersion, Tracking, VersionName, record
from quantgate.registry.champions.requests import retire, waive
from quantgate.registry.questions.lineages import trace
from quantgate.registry.questions.lookups import find, find_all
from quantgate.registry.questions.wishes import LookupRequest
from tests.support.registered.registries import (
    SUITE,
    MemoryRegistry,
    Sample,
    evidence_of,
    other_digest,
)

MODEL = "support-llama"
BILLING = replace(SUITE, name="billing", version=1, digest=other_digest("billing"))
BY = Decider(reason="answers slowly", who="Ada")


@pytest.fixture
def mlflow(tracking: Tracking) -> MemoryRegistry:
    """Two versions that passed support-desk, and the larger one billing, too; the smaller one failed it."""
    mlflow = MemoryRegistry()
    for what in (
        {"recipe": "Q8_0", "size_bytes": 8000},
        {"recipe": "Q2_K", "size_bytes": 2000},
        {"recipe": "Q8_0", "size_bytes": 8000, "suite": BILLING},
        {"recipe": "Q2_K", "size_bytes": 2000, "suite": BILLING, "decision": Decision.FAIL},
    ):
        put(mlflow, tracking, **what)
    return mlflow


def put(mlflow: MemoryRegistry, tracking: Tracking, **what: Any) -> None:
    evidence = evidence_of(replace(Sample(), **what), tracking.store)
    record(evidence, tracking, open_registry=mlflow.open)


def look(mlflow: MemoryRegistry, tracking: Tracking, **wishes: Any) -> RegisteredVersion:
    request = LookupRequest(model=MODEL, **wishes)
    return find(request, tracking, open_reader=mlflow.open_reader)


def test_each_suite_finds_what_it_judged_with_its_own_verdict(
    mlflow: MemoryRegistry, tracking: Tracking
) -> None:
    desk = look(mlflow, tracking, suite="support-desk")
    billing = look(mlflow, tracking, suite="billing")
    assert (desk.version, desk.facts.suite) == ("2", "support-desk@3")
    assert (billing.version, billing.facts.suite) == ("1", "billing@1")
    assert billing.facts.verdict == "pass"
    assert billing.run_id != desk.run_id
    assert billing.sealed


def test_wishes_find_other_versions_that_a_further_suite_judged(
    mlflow: MemoryRegistry, tracking: Tracking
) -> None:
    put(mlflow, tracking, recipe="Q4_K_M", size_bytes=4000, engine="transformers")
    put(mlflow, tracking, recipe="Q4_K_M", size_bytes=4000, engine="transformers", suite=BILLING)
    assert look(mlflow, tracking, suite="billing").version == "3"
    found = look(mlflow, tracking, suite="billing", runtime="llama.cpp")
    assert (found.version, found.facts.suite_name) == ("1", "billing")
    with pytest.raises(NotFoundError, match="no variant of 'support-llama' fits"):
        look(mlflow, tracking, suite="billing", max_size_bytes=3000)


def test_a_model_that_passed_two_suites_asks_which_is_meant(
    mlflow: MemoryRegistry, tracking: Tracking
) -> None:
    with pytest.raises(InputError, match="passed more than one suite: billing, support-desk"):
        look(mlflow, tracking)


def test_a_lineage_by_alias_tells_that_suites_verdict(
    mlflow: MemoryRegistry, tracking: Tracking
) -> None:
    steps = {
        step.kind: step
        for step in trace(f"{MODEL}@billing", tracking, open_reader=mlflow.open_reader).steps
    }
    assert steps["suite"].name == "billing@1"
    assert steps["suite"].digest == BILLING.digest


def test_a_retired_version_is_not_returned_whatever_is_wished_for(
    mlflow: MemoryRegistry, tracking: Tracking
) -> None:
    for number in ("1", "2"):
        name = VersionName(model=MODEL, number=number)
        retire(name, tracking, by=BY, open_registry=mlflow.open)
    with pytest.raises(
        NotFoundError, match=r"models:/support-llama/\d is not returned: was retired"
    ):
        look(mlflow, tracking, suite="support-desk", format="gguf")


def test_a_waived_verdict_is_returned_and_says_so(
    mlflow: MemoryRegistry, tracking: Tracking
) -> None:
    put(
        mlflow,
        tracking,
        recipe="Q8_0",
        size_bytes=8000,
        suite=BILLING,
        decision=Decision.FAIL,
        broke=9,
    )
    with pytest.raises(NotFoundError):
        look(mlflow, tracking, suite="billing")
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    name = VersionName(model=MODEL, number="1", suite="billing")
    waive(name, tracking, by=BY, until=tomorrow, open_registry=mlflow.open)
    found = look(mlflow, tracking, suite="billing")
    assert (found.version, found.facts.verdict) == ("1", "fail")
    assert found.facts.waiver == f"verdict: answers slowly (Ada, until {tomorrow})"


def listed(mlflow: MemoryRegistry, tracking: Tracking, **wishes: Any) -> list[tuple[str, str]]:
    request = LookupRequest(model=MODEL, **wishes)
    versions = find_all(request, tracking, open_reader=mlflow.open_reader)
    return [(version.version, version.facts.suite_name) for version in versions]


def test_all_that_passed_a_further_suite_are_listed_with_its_verdict(
    mlflow: MemoryRegistry, tracking: Tracking
) -> None:
    newer = replace(BILLING, version=2, digest=other_digest("billing 2"))
    put(mlflow, tracking, recipe="Q4_K_M", size_bytes=4000)
    put(mlflow, tracking, recipe="Q4_K_M", size_bytes=4000, suite=newer)
    put(mlflow, tracking, recipe="Q6_K", size_bytes=6000, suite=BILLING)
    billing = [("3", "billing"), ("4", "billing"), ("1", "billing")]
    assert listed(mlflow, tracking, suite="billing") == billing
    assert listed(mlflow, tracking, suite="support-desk")[0] == ("2", "support-desk")
    assert dict(listed(mlflow, tracking)) == {
        "1": "support-desk", "2": "support-desk", "3": "support-desk", "4": "billing",
    }  # fmt: skip


def test_without_a_suite_the_only_pass_may_be_a_further_suites(tracking: Tracking) -> None:
    mlflow = MemoryRegistry()
    newer = replace(SUITE, version=4, digest=other_digest("suite 4"))
    put(mlflow, tracking, recipe="Q8_0")
    put(mlflow, tracking, recipe="Q8_0", suite=BILLING)
    put(mlflow, tracking, recipe="Q8_0", suite=newer, decision=Decision.FAIL, broke=90)
    found = look(mlflow, tracking)
    assert (found.version, found.facts.suite) == ("1", "billing@1")
    assert listed(mlflow, tracking) == [("1", "billing")]
