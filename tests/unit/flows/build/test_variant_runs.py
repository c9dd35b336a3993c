"""A policy may ask each variant several times: all its runs are sealed, judged, recorded and proved."""

from dataclasses import replace
from pathlib import Path

import pytest
from typing_extensions import override

from quantgate.flows.build import units
from quantgate.flows.build.bundling import own_variables, write_bundle
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.plan_files import write_plan
from quantgate.flows.build.searching.ladder import SearchRequest, search_plan
from quantgate.flows.build.verdicts import evidence, results_of
from quantgate.flows.cli.export import write_transcripts
from quantgate.pipelines.domain.errors import InputError, WorkerError
from quantgate.pipelines.engines.requests import AnswerRequest
from quantgate.pipelines.files.sealed_values import Missing
from quantgate.pipelines.process.calls import OnProgress, RunWorker
from quantgate.pipelines.suites.digest import suite_digest
from quantgate.registry import RegisteredVersion
from quantgate.registry.evidence_facts import version_facts
from quantgate.registry.proofs.checking import check_bundle
from quantgate.registry.recording.completeness import check_complete
from tests.support.builds.faked import faked_build
from tests.support.builds.faked import suite as exam
from tests.support.builds.walking import judged
from tests.support.fakes import FakeBackend, FakeRuntime

WRONG_BY_ORDER = {1: {"i3"}, 2: {"i4"}}


class WaveringRuntime(FakeRuntime):
    """A variant of it gets other items wrong in each order; the base is always right."""

    @override
    def answer(
        self, request: AnswerRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> None:
        self.wrong = {"Q8_0": WRONG_BY_ORDER.get(request.schedule.order_seed, set())}
        super().answer(request, run_worker, on_progress)


def asked_thrice(folder: Path, runtime: FakeRuntime) -> LocalBuild:
    here = faked_build(folder, FakeBackend(), runtime)
    suite = exam(60)
    suite = replace(suite, digest=suite_digest(suite, {}))
    policy = replace(here.plan.policy, variant_runs=3)
    here = replace(here, plan=replace(here.plan, suite=suite, policy=policy))
    write_plan(here.plan, here.settings.store)
    units.build_files(here, here.plan.variants[0])
    return here


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> LocalBuild:
    here = asked_thrice(tmp_path_factory.mktemp("build"), WaveringRuntime())
    judged(here, here.plan.variants[0])
    return here


def test_every_run_counts(build: LocalBuild) -> None:
    found = evidence(build, build.plan.variants[0])
    assert found.verdict.whole is not None
    runs = found.verdict.whole.statistics.runs
    assert runs is not None
    assert (runs.broke, runs.unstable) == ((0, 1, 1), 2)
    assert len(found.transcript_repeats) == len(found.verdict.repeat_keys) == 2
    check_complete(found)


def test_lineage_that_names_another_repeat_is_refused(build: LocalBuild) -> None:
    found = evidence(build, build.plan.variants[0])
    swapped = replace(found, transcript_repeats=found.transcript_repeats[::-1])
    with pytest.raises(InputError, match="made from another transcript of the variant"):
        check_complete(swapped)


def test_a_bundle_holds_all_runs_and_is_judged_anew_from_them(
    build: LocalBuild, tmp_path: Path
) -> None:
    planned, path = build.plan.variants[0], tmp_path / "thrice.bundle"
    facts = version_facts(evidence(build, planned))
    version = RegisteredVersion(model="demo", version="1", aliases=(), run_id="r", facts=facts)
    write_bundle(build, planned, version, path, own_variables(build.plan.suite, {}))
    proof = check_bundle(path, lambda folder, evidence_key, files: None)
    assert (proof.decision, proof.runs) == ("pass", 2 + 3)


def test_all_runs_are_exported(build: LocalBuild, tmp_path: Path) -> None:
    names = {path.name for path in write_transcripts(build, tmp_path)}
    planned = build.plan.variants[0].identifier
    runs = {f"{planned}.jsonl", f"{planned}.repeat-2.jsonl", f"{planned}.repeat-3.jsonl"}
    assert runs <= names


def test_what_was_asked_is_not_asked_again_after_a_crash(tmp_path: Path) -> None:
    runtime = WaveringRuntime()
    here = asked_thrice(tmp_path, runtime)
    runtime.stop_after = 2 * 60 + 60 + 30  # the base twice, a whole run, half of the second
    with pytest.raises(WorkerError):
        judged(here, here.plan.variants[0])
    assert isinstance(results_of(here, here.plan.variants[0]).runs, Missing)
    judged(here, here.plan.variants[0])
    assert len(runtime.asked) == (2 + 3) * 60


def test_a_search_asks_once(build: LocalBuild) -> None:
    with pytest.raises(InputError, match=r"asks for 3 runs of each \(variant_runs\)"):
        search_plan(build, SearchRequest(goal="size"))
