"""`pip install 'quantgate[judge]'`: what judges transcripts needs no torch, MLflow or Prefect."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.build import units
from quantgate.flows.build.bundling import write_bundle
from quantgate.flows.build.plan_files import write_plan
from quantgate.flows.build.verdicts import evidence
from quantgate.pipelines.suites.digest import suite_digest
from quantgate.registry import RegisteredVersion
from quantgate.registry.attesting.attestation import attest
from quantgate.registry.attesting.signing import create_key
from quantgate.registry.evidence_facts import version_facts
from tests.support.builds.faked import faked_build
from tests.support.builds.faked import suite as exam
from tests.support.builds.walking import judged
from tests.support.fakes import FakeBackend, FakeRuntime
from tests.support.wheels import build_wheel, install_alone

pytestmark = pytest.mark.integration


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(folder / "environment" / "bin" / "quantgate"), *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        cwd=folder,
    )


def signed_bundle(folder: Path) -> tuple[str, str]:
    """Write a bundle of a build with fakes at its seams, and the key that attested it; return their paths."""
    here = faked_build(folder, FakeBackend(), FakeRuntime(wrong={"Q8_0": {"i3"}}))
    suite = replace(exam(60), digest=suite_digest(exam(60), {}))
    here = replace(here, plan=replace(here.plan, suite=suite))
    planned, store = here.plan.variants[0], here.settings.store
    write_plan(here.plan, store)
    units.build_files(here, planned)
    judged(here, planned)
    facts = version_facts(evidence(here, planned))
    version = RegisteredVersion(model="demo", version="1", aliases=(), run_id="r", facts=facts)
    public = create_key(folder / "key")
    attest(version, store, folder / "key", "0.1.0")
    write_bundle(here, planned, version, folder / "demo.bundle", {})
    return str(folder / "demo.bundle"), str(public)


def test_what_judges_needs_neither_torch_nor_mlflow_nor_prefect(tmp_path: Path) -> None:
    written, key = signed_bundle(tmp_path)
    (tmp_path / "wheel").mkdir()
    packages = install_alone(
        build_wheel(tmp_path / "wheel"), tmp_path / "environment", extra="judge"
    )
    names = {path.name.split("-")[0].lower() for path in packages.glob("*.dist-info")}
    assert {"torch", "mlflow", "prefect", "transformers", "llmcompressor"} & names == set()
    (tmp_path / "q.csv").write_text(
        "question,answer\n" + "".join(f"What is {n} plus 1?,{n + 1}\n" for n in range(40))
        + "Explain rain.,\"Water rises as vapour, cools down up there, and falls as drops.\"\n"
    )  # fmt: skip
    base, worse = "base-llamacpp-1.jsonl", "Q2_K.jsonl"
    commands: Sequence[tuple[int, str, tuple[str, ...]]] = (
        (0, "5 of 8 variants passed", ("demo",)),
        (0, "41 items", ("init", "mine", "--from", "q.csv")),
        (0, "0 problems", ("suite", "check", "mine/suite")),
        (0, "judged again from 3 transcripts of 60 items", ("verify", written, "--key", key)),
        (2, "a run knows its suite by digest only", ("judge", f"quantgate-demo/transcripts/{base}",
                                                     f"quantgate-demo/transcripts/{worse}")),
    )  # fmt: skip
    for code, said, command in commands:
        finished = run(tmp_path, *command)
        assert finished.returncode == code, finished.stdout + finished.stderr
        assert said in finished.stdout + finished.stderr
