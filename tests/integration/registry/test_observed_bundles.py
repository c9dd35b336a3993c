"""Bundles whose answers are programs: run once in the sandbox, judged again where nothing is run."""

import platform
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.build import units
from quantgate.flows.build.bundling import write_bundle
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.plan_files import write_plan
from quantgate.flows.build.verdicts import evidence
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import GraderSpec
from quantgate.pipelines.files.records import read_json
from quantgate.pipelines.files.sealed import seal
from quantgate.pipelines.suites.digest import suite_digest
from quantgate.registry import RegisteredVersion
from quantgate.registry.evidence_facts import version_facts
from quantgate.registry.proofs.archive import unpack_archive, write_archive
from quantgate.registry.proofs.checking import BundleProof, check_bundle
from tests.support.builds.faked import faked_build
from tests.support.builds.faked import suite as exam
from tests.support.builds.walking import judged
from tests.support.fakes import FakeBackend, FakeRuntime

pytestmark = pytest.mark.integration

PROGRAM = {"prompt": "right = 6 * 7\n\n\ndef answer():\n    return ", "entry_point": "answer"}


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBuild]:
    """An exam whose answer `right` completes a program that passes its tests."""
    folder = tmp_path_factory.mktemp("build")
    here = faked_build(folder, FakeBackend(), FakeRuntime())
    suite = exam(30)
    items = tuple(
        replace(item, expected={**PROGRAM, "tests": f"assert answer() == 42  # {item.id}"})
        for item in suite.items
    )
    suite = replace(suite, items=items, grader=GraderSpec(kind="code", options={"seconds": 5}))
    suite = replace(suite, digest=suite_digest(suite, {}))
    yield replace(here, plan=replace(here.plan, suite=suite))


@pytest.fixture(scope="module")
def bundle(build: LocalBuild, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "code.bundle"
    planned = build.plan.variants[0]
    write_plan(build.plan, build.settings.store)
    units.build_files(build, planned)
    judged(build, planned)
    facts = version_facts(evidence(build, planned))
    version = RegisteredVersion(model="demo", version="1", aliases=(), run_id="r", facts=facts)
    write_bundle(build, planned, version, path, {})
    return path


def checked(path: Path) -> BundleProof:
    return check_bundle(path, lambda folder, evidence_key, files: None)


def test_programs_are_judged_again_by_what_was_observed_of_them(bundle: Path) -> None:
    proof = checked(bundle)
    assert (proof.decision, proof.items, proof.runs) == ("pass", 30, 3)


def test_so_they_are_by_another_python_and_another_release_of_the_worker(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "python_version", lambda: "3.11.99")
    monkeypatch.setattr(
        "quantgate.pipelines.evaluation.observing.source_digest", lambda worker: "0" * 64
    )
    assert checked(bundle).decision == "pass"


def test_observations_of_other_answers_do_not_count(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "content"
    folder.mkdir()
    unpack_archive(bundle, folder)
    for observed in (folder / "observations").iterdir():
        record = read_json(observed / "manifest.json")["record"]
        assert isinstance(record, dict)
        (observed / "manifest.json").unlink()
        seal(observed, record | {"questions_digest": "0" * 64})
        observed.rename(observed.with_name(observed.name[:-4] + "0000"))
    record = read_json(folder / "manifest.json")["record"]
    (folder / "manifest.json").unlink()
    seal(folder, record)
    write_archive(folder, tmp_path / "forged.bundle")
    with pytest.raises(InputError, match="does not hold what was observed of its answers") as said:
        checked(tmp_path / "forged.bundle")
    assert said.value.where == str(tmp_path / "forged.bundle")
