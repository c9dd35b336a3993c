"""Runs that end early on the road of a build, and variants that are judged as one of several."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.build import units
from quantgate.flows.build.errors import record_error
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.references import run_references
from quantgate.flows.build.stopping import PORTIONS, stops_early
from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.domain.suites.suite import GraderSpec
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.engines.requests import AnswerRequest
from quantgate.pipelines.process.calls import OnProgress, Progress, RunWorker, ignore_progress
from tests.support.builds.faked import faked_build
from tests.support.builds.walking import answered, evidence_of
from tests.support.fakes import FakeBackend, FakeRuntime

ITEMS = 40


def site_with(tmp_path: Path, runtime: FakeRuntime, policy: Policy) -> LocalBuild:
    here = faked_build(tmp_path, FakeBackend(), runtime)
    return replace(here, plan=replace(here.plan, policy=policy))


def verdicts(here: LocalBuild) -> list[Decision]:
    for planned in here.plan.variants:
        units.build_files(here, planned)
    return [evidence_of(here, planned).verdict.decision for planned in here.plan.variants]


def broken(count: int) -> FakeRuntime:
    return FakeRuntime(wrong={"Q2_K": {f"i{n}" for n in range(count)}})


EARLY = Policy(reference_runs=2, early_stopping=True)


def test_a_variant_that_can_no_longer_pass_is_not_asked_the_rest(tmp_path: Path) -> None:
    runtime = broken(10)
    here = site_with(tmp_path, runtime, EARLY)

    assert verdicts(here) == [Decision.PASS, Decision.FAIL]

    _, stopped = here.plan.variants
    verdict = evidence_of(here, stopped).verdict
    asked = len(runtime.asked) - 3 * ITEMS  # the reference twice, and the sound variant
    assert asked == ITEMS / PORTIONS
    assert len(verdict.not_asked) == ITEMS - asked
    assert len(verdict.items) == asked


def test_a_run_that_ended_early_is_read_again_and_not_asked_again(tmp_path: Path) -> None:
    runtime = broken(10)
    first = verdicts(site_with(tmp_path, runtime, EARLY))
    asked = len(runtime.asked)

    again = site_with(tmp_path, runtime, EARLY)

    assert verdicts(again) == first
    assert len(runtime.asked) == asked
    assert all(units.answered(again, planned) for planned in again.plan.variants)


def test_a_policy_without_early_stopping_asks_all_of_it_although_a_part_is_sealed(
    tmp_path: Path,
) -> None:
    runtime = broken(10)
    verdicts(site_with(tmp_path, runtime, EARLY))

    whole = site_with(tmp_path, runtime, replace(EARLY, early_stopping=False))

    assert verdicts(whole) == [Decision.PASS, Decision.FAIL]
    assert not evidence_of(whole, whole.plan.variants[1]).verdict.not_asked


def test_an_interrupted_portion_is_taken_up_again(tmp_path: Path) -> None:
    runtime = broken(10)
    here = site_with(tmp_path, runtime, EARLY)
    units.build_files(here, here.plan.variants[1])
    run_references(here, "llamacpp")
    before = len(runtime.asked)
    runtime.stop_after = before + 2

    with pytest.raises(WorkerError, match="SIGKILL"):
        answered(here, here.plan.variants[1])
    answered(here, here.plan.variants[1])

    assert len(runtime.asked) == before + ITEMS / PORTIONS
    assert len(set(runtime.asked[before:])) == ITEMS / PORTIONS


def test_a_portion_is_asked_without_those_before_it(tmp_path: Path) -> None:
    """What a batch holds, and so what a model answers, must not depend on what was answered before."""
    asked: list[set[str]] = []

    class Listening(FakeRuntime):
        def answer(
            self, request: AnswerRequest, run_worker: RunWorker, on_progress: OnProgress
        ) -> None:
            lines = request.prompts.read_text().splitlines()
            asked.append({json.loads(line)["item_id"] for line in lines})
            on_progress(Progress(done=len(lines), total=len(lines), what="answering"))
            super().answer(request, run_worker, on_progress)

    heard: list[Progress] = []

    @contextmanager
    def show(step: str, _identifier: str) -> Iterator[OnProgress]:
        yield heard.append if step == "answer" else ignore_progress

    here = replace(site_with(tmp_path, Listening(), EARLY), show=show)
    first = here.plan.variants[0]
    units.build_files(here, first)
    run_references(here, "llamacpp")
    asked.clear()
    heard.clear()
    answered(here, first)

    assert [len(portion) for portion in asked] == [ITEMS // PORTIONS] * PORTIONS
    assert len(set().union(*asked)) == ITEMS
    assert heard[-1] == Progress(done=ITEMS, total=ITEMS, what="answering")


def test_answers_that_are_observed_are_asked_whole(tmp_path: Path) -> None:
    here = site_with(tmp_path, FakeRuntime(), EARLY)
    assert stops_early(here.plan)

    observed = replace(here.plan.suite, grader=GraderSpec(kind="math"))

    assert not stops_early(replace(here.plan, suite=observed))


def test_a_pass_by_luck_beside_others_is_inconclusive_under_holm(tmp_path: Path) -> None:
    alone = Policy(reference_runs=2, max_break_rate=0.075)
    runtime = broken(10)

    assert verdicts(site_with(tmp_path / "alone", runtime, alone))[0] is Decision.PASS
    together = site_with(tmp_path / "holm", runtime, replace(alone, family_wise="holm"))

    assert verdicts(together) == [Decision.INCONCLUSIVE, Decision.FAIL]
    family = evidence_of(together, together.plan.variants[0]).verdict.family
    assert family is not None
    assert family.variants == 2
    assert family.adjusted_p == pytest.approx(2 * family.raw_p)


def test_a_variant_that_an_error_stopped_was_tried_as_well(tmp_path: Path) -> None:
    policy = Policy(reference_runs=2, max_break_rate=0.075, family_wise="holm")
    here = site_with(tmp_path, FakeRuntime(), policy)
    sound, stopped = here.plan.variants
    units.build_files(here, sound)
    record_error(here, stopped.identifier, "build", WorkerError("died"))

    found = evidence_of(here, sound).verdict

    assert found.decision is Decision.INCONCLUSIVE
    assert found.family is not None
    assert found.family.variants == 2
