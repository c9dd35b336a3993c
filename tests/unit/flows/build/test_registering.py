"""What passed while the registry was away waits in the store, and is registered by whoever comes next."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from quantgate.flows.build import outcome, units
from quantgate.flows.build.attesting import attest_registered
from quantgate.flows.build.errors import guarded
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.registering import register, register_waiting
from quantgate.flows.build.results.build_result import PASSED, UNREGISTERED, BuildResult
from quantgate.flows.build.results.unit_error import REGISTER
from quantgate.flows.build.tracking import tracking
from quantgate.flows.cli.views.result import show_result
from quantgate.pipelines.domain.errors import InputError, QuantgateError, ServiceError
from quantgate.registry import Tracking
from quantgate.registry.attesting.signing import create_key
from quantgate.registry.attesting.verification import store_attestations
from quantgate.registry.protocol import AliasChange
from quantgate.registry.recording.pending import waiting
from tests.support.builds.faked import faked_build
from tests.support.builds.walking import evidence_of
from tests.support.fakes import FakeBackend, FakeRuntime
from tests.support.registered.registries import MemoryRegistry, empty_database


def nobody_answers(tracking: Tracking) -> MemoryRegistry:
    raise ServiceError("MLflow does not answer", where=tracking.shown, transient=True)


def refuses(tracking: Tracking) -> MemoryRegistry:
    raise InputError("this evidence does not belong together")


@pytest.fixture
def build(tmp_path: Path) -> LocalBuild:
    """Two variants that are built and judged; one of them passes."""
    wrong = {"Q2_K": {f"i{n}" for n in range(13)}}
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime(wrong=wrong))
    for planned in here.plan.variants:
        units.build_files(here, planned)
    for planned in here.plan.variants:
        evidence_of(here, planned)
    return here


def walk(build: LocalBuild, open_registry: object) -> BuildResult:
    for planned in build.plan.variants:
        try:
            with guarded(build, planned.identifier, REGISTER):
                register(build, planned, open_registry=open_registry)  # type: ignore[arg-type]
        except QuantgateError:
            continue
    return outcome.write_report(build)


def shown(result: BuildResult) -> str:
    written = StringIO()
    show_result(result, Console(file=written, width=300))
    return written.getvalue()


def test_a_build_whose_registry_is_away_says_that_something_passed_and_waits(
    build: LocalBuild,
) -> None:
    result = walk(build, nobody_answers)
    assert result.exit_code == UNREGISTERED
    text = shown(result)
    assert "Nothing passed" not in text
    assert (
        "1 of 2 variants passed, and 1 of them could not be registered: their evidence waits"
        in text
    )
    waits = [each.evidence.variant.identifier for each in waiting(tracking(build.settings))]
    assert sorted(waits) == sorted(planned.identifier for planned in build.plan.variants)


def test_what_waits_is_registered_later_as_the_build_would_have(build: LocalBuild) -> None:
    walk(build, nobody_answers)
    assert walk(build, nobody_answers).exit_code == UNREGISTERED
    mlflow, heard = MemoryRegistry(), list[str]()
    done = register_waiting(build.settings, heard.append, open_registry=mlflow.open)
    assert [each.error for each in done] == [None, None]
    assert len(heard) == 2
    assert list(waiting(tracking(build.settings))) == []
    assert register_waiting(build.settings, heard.append, open_registry=mlflow.open) == ()
    result = walk(build, mlflow.open)
    assert result.exit_code == PASSED
    (name,) = mlflow.models
    assert list(mlflow.models[name]) == ["1"]
    assert len(mlflow.runs) == 2


def test_the_next_build_registers_its_own_and_forgets_what_waited(build: LocalBuild) -> None:
    walk(build, nobody_answers)
    assert walk(build, MemoryRegistry().open).exit_code == PASSED
    assert list(waiting(tracking(build.settings))) == []


def test_while_nobody_answers_all_waits_on_and_one_try_is_enough(build: LocalBuild) -> None:
    walk(build, nobody_answers)
    done = register_waiting(build.settings, print, open_registry=nobody_answers)
    assert [type(each.error) for each in done] == [ServiceError]
    assert len(list(waiting(tracking(build.settings)))) == 2


def test_what_is_refused_for_good_does_not_wait(build: LocalBuild) -> None:
    result = walk(build, refuses)
    assert result.exit_code == UNREGISTERED
    assert "could not be registered." in shown(result)
    assert list(waiting(tracking(build.settings))) == []


def test_one_that_is_refused_stops_no_other(build: LocalBuild) -> None:
    walk(build, nobody_answers)
    done = register_waiting(build.settings, print, open_registry=refuses)
    assert [type(each.error) for each in done] == [InputError, InputError]


def test_a_build_says_where_it_left_the_alias_and_why(build: LocalBuild) -> None:
    result = walk(build, MemoryRegistry().open)
    (receipt,) = (each for each in result.receipts if each.version)
    assert f"{receipt.model}@exam: nothing -> version 1 (version 1 is the first to pass)" in shown(
        result
    )
    gone = AliasChange(
        alias="exam", before="1", after=None, at="9999", reason="was retired", actor="Ada"
    )
    told = replace(result, receipts=(*result.receipts, replace(receipt, alias_change=gone)))
    assert "@exam:" not in shown(told), "it ends where it began"


def test_what_passes_is_attested_by_the_key_that_is_set(build: LocalBuild, tmp_path: Path) -> None:
    key = tmp_path / "key"
    create_key(key)
    signing = replace(build, settings=replace(build.settings, attest_key=key))
    mlflow, passed = MemoryRegistry(), build.plan.variants[0]
    receipt = register(build, passed, open_registry=mlflow.open)
    empty_database(tracking(build.settings))
    attest_registered(receipt, build.settings, open_reader=mlflow.open_reader)
    place = store_attestations(build.settings.store, receipt.evidence_key)
    assert not place.exists(), "no key is set"
    attest_registered(receipt, signing.settings, open_reader=mlflow.open_reader)
    attest_registered(receipt, signing.settings, open_reader=mlflow.open_reader)
    (signed,) = place.glob("*/statement/provenance.json")
    assert receipt.evidence_key in signed.read_text()
    failed = register(build, build.plan.variants[1], open_registry=mlflow.open)
    attest_registered(failed, signing.settings, open_reader=mlflow.open_reader)
    assert not store_attestations(build.settings.store, failed.evidence_key).exists()
