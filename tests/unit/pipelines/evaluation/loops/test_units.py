"""A build with loops, with fakes at the seams: references, audits, pairing, an early ending, review."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from quantgate.flows.build import units
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.references import run_references
from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.verdict import Decision, Verdict
from quantgate.pipelines.engines.requests import AnswerRequest, Prompt
from quantgate.pipelines.process.calls import OnProgress, RunWorker
from quantgate.pipelines.report.ledger.flips import changed_between
from quantgate.pipelines.report.review_queue import review_queue
from tests.support.builds.faked import faked_build
from tests.support.builds.walking import answered, judged
from tests.support.fakes import FakeBackend
from tests.support.loops.runs_of_suites import scripted
from tests.support.loops.scripted import RulingRuntime, refund, suite_with

ITEMS = 34
BROKEN = {f"loop-{number}" for number in range(1, 14)}


@dataclass
class LosingRuntime(RulingRuntime):
    """Plays every loop rightly; an artifact of the name gives up the loops named in its third step."""

    loses: Mapping[str, set[str]] = field(default_factory=dict)

    def answer(
        self, request: AnswerRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> None:
        """Answer by the artifact that is loaded."""
        path = request.loadable.path
        lost = self.loses.get(path.read_text(), set()) if path.is_file() else set()

        def rule(prompt: Prompt) -> str:
            sample, _, step = prompt.item_id.partition("#step")
            return "No." if sample in lost and step == "3" else scripted(prompt)

        self.rule = rule
        super().answer(request, run_worker, on_progress)


def looping(tmp_path: Path, policy: Policy) -> tuple[LocalBuild, LosingRuntime]:
    runtime = LosingRuntime(loses={"Q2_K": BROKEN})
    here = faked_build(tmp_path, FakeBackend(), runtime)
    suite = suite_with(*(refund(number) for number in range(1, ITEMS + 1)))
    checkpoint = replace(here.plan.checkpoint, context_length_tokens=2048)
    plan = replace(here.plan, suite=suite, policy=policy, checkpoint=checkpoint)
    return replace(here, plan=plan), runtime


def verdicts_of(here: LocalBuild) -> dict[str, Verdict]:
    verdicts = {}
    for planned in here.plan.variants:
        units.build_files(here, planned)
        verdicts[planned.recipe.name] = judged(here, planned).verdict
    return verdicts


def test_loops_are_paired_judged_and_shown_like_any_item(tmp_path: Path) -> None:
    here, _ = looping(tmp_path, Policy(reference_runs=2))
    verdicts = verdicts_of(here)
    assert {name: one.decision for name, one in verdicts.items()} == {
        "Q8_0": Decision.PASS,
        "Q2_K": Decision.FAIL,
    }
    broke = [one for one in verdicts["Q2_K"].items if not one.variant.grade.correct]
    assert {one.item_id for one in broke} == BROKEN
    assert all(one.stable for one in verdicts["Q2_K"].items)
    assert {one.variant.grade.score for one in broke} == {0.5}

    queue = review_queue(here.plan.suite, tuple(verdicts.values()))
    assert len(queue) == len(BROKEN)
    assert "→ user: It broke.\nNo." in queue[0].answer.said
    (first, *_) = changed_between(here.plan.suite, "Q2_K", verdicts["Q2_K"].items)
    shown = "".join(segment.text for segment in first.answers[0].answer.segments)
    assert "→ tool:" in shown and shown.endswith("No.")
    assert "required step 3 (turn 2) was missed" in first.answers[0].reason


def test_the_repeats_of_the_base_are_asked_in_an_order_of_their_own(tmp_path: Path) -> None:
    here, runtime = looping(tmp_path, Policy(reference_runs=2))
    first, second = run_references(here, "llamacpp")
    assert [one.grade for one in first.answers] == [one.grade for one in second.answers]
    waves = [[prompt.item_id for prompt in batch] for batch in runtime.batches]
    assert len(waves) == 2 * 4
    assert waves[0] != waves[4]
    assert sorted(waves[0]) == sorted(waves[4])
    assert [one.partition("#")[0] for one in waves[5]] == waves[4]


def test_a_hopeless_variant_is_not_asked_all_loops_but_those_begun_to_their_end(
    tmp_path: Path,
) -> None:
    here, runtime = looping(tmp_path, Policy(reference_runs=1, early_stopping=True))
    asked_of_the_base = len(runtime.asked)
    verdicts = verdicts_of(here)
    assert verdicts["Q2_K"].decision is Decision.FAIL
    assert 0 < len(verdicts["Q2_K"].not_asked) < ITEMS
    run = _run_of(here, "Q2_K")
    assert len(run.answers) == ITEMS - len(verdicts["Q2_K"].not_asked)
    assert {len(one.steps) for one in run.answers} <= {3, 4}
    assert asked_of_the_base == 0


def _run_of(here: LocalBuild, name: str) -> Run:
    (planned,) = (one for one in here.plan.variants if one.recipe.name == name)
    return answered(here, planned)


def test_what_is_measured_next_to_answers_is_the_first_step(tmp_path: Path) -> None:
    here, runtime = looping(tmp_path, Policy(reference_runs=1))
    verdicts_of(here)
    asked = {prompt.item_id: prompt.token_ids for prompt in here.suite_runs.prompts.prompts}
    rows = [json.loads(line) for line in runtime.measured[0].sequences.read_text().splitlines()]
    assert rows
    for row in rows[:-1]:  # the last one is cut where the tokens suffice
        assert tuple(row["token_ids"]) == (*asked[row["id"]], 1, 2, 0)
