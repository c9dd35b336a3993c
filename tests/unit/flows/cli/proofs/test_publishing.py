"""What `quantgate card` and `publish` refuse to show the world, and what they say of a waived verdict."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from quantgate.flows.cli.proofs.publish import card_content
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.registry import Decider, Tracking, VersionName, record, retire, waive
from quantgate.registry.cards.card import CardContent, model_card
from quantgate.registry.cards.publishing import outcome
from tests.support.registered.registries import (
    SUITE,
    MemoryRegistry,
    Sample,
    evidence_of,
    opened_tracking,
    other_digest,
)

NAME = VersionName(model="support-llama", number="1")
BY = Decider(reason="answers slowly", who="Ada")


@pytest.fixture
def tracking(tmp_path: Path) -> Tracking:
    return opened_tracking(tmp_path / "store")


@pytest.fixture
def mlflow(tracking: Tracking) -> MemoryRegistry:
    """One version, which passed."""
    registry = MemoryRegistry()
    put(registry, tracking)
    return registry


def put(mlflow: MemoryRegistry, tracking: Tracking, **what: Any) -> None:
    evidence = evidence_of(replace(Sample(), **what), tracking.store)
    record(evidence, tracking, open_registry=mlflow.open)


def fail(mlflow: MemoryRegistry, tracking: Tracking) -> None:
    newer = replace(SUITE, version=4, digest=other_digest("suite 4"))
    put(mlflow, tracking, suite=newer, decision=Decision.FAIL, broke=90)


def content(mlflow: MemoryRegistry, tracking: Tracking) -> CardContent:
    settings = Settings.from_environment({"QUANTGATE_STORE": str(tracking.store.root)})
    return card_content(str(NAME), "acme/m", settings, open_reader=mlflow.open_reader)


def test_a_version_that_passes_says_so(mlflow: MemoryRegistry, tracking: Tracking) -> None:
    here = content(mlflow, tracking)
    assert "because it **passed** `support-desk@3`" in model_card(here)
    assert outcome(here.facts) == "support-llama--Q4_K_M--imatrix: passed support-desk@3"


def test_one_that_a_newer_verdict_fails_is_not_published(
    mlflow: MemoryRegistry, tracking: Tracking
) -> None:
    fail(mlflow, tracking)
    with pytest.raises(InputError, match="not to be published: does not pass support-desk@4: fail"):
        content(mlflow, tracking)


def test_one_that_is_retired_is_not_published(mlflow: MemoryRegistry, tracking: Tracking) -> None:
    retire(NAME, tracking, by=BY, open_registry=mlflow.open)
    with pytest.raises(InputError, match="not to be published: was retired by Ada"):
        content(mlflow, tracking)


def test_the_card_of_a_waived_verdict_does_not_say_passed(
    mlflow: MemoryRegistry, tracking: Tracking
) -> None:
    fail(mlflow, tracking)
    until = datetime.now(UTC).date() + timedelta(days=1)
    waive(NAME, tracking, by=BY, until=until, open_registry=mlflow.open)
    here = content(mlflow, tracking)
    text = model_card(here)
    assert "does **not** pass `support-desk@4`" in text
    assert f"That was waived: verdict: answers slowly (Ada, until {until})." in text
    assert "**passed**" not in text
    assert outcome(here.facts).endswith(": fail on support-desk@4, waived")
