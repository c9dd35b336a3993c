"""What changed a verdict but no question (policy, reviews, expectations) is judged on what is sealed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.build import units
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.plan import BuildPlan
from quantgate.pipelines.domain.suites.adjudication import Adjudication, Mark
from quantgate.pipelines.domain.suites.anchor import answer_digest
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.evaluation.adjudications import item_digest
from quantgate.pipelines.process.calls import start_nothing
from tests.support.builds.faked import faked_build
from tests.support.builds.walking import judged
from tests.support.fakes import FakeBackend, FakeRuntime

WRONG = frozenset(f"i{n}" for n in range(13))


def decided(plan: BuildPlan) -> BuildPlan:
    """Return the plan after somebody found all changed answers equivalent."""
    decisions = tuple(
        Adjudication(
            item_id=item.id,
            item_sha256=item_digest(item),
            answer_sha256=answer_digest("wrong"),
            mark=Mark.EQUIVALENT,
            decided_by="ada",
            decided_on="2026-12-01",
        )
        for item in plan.suite.items
        if item.id in WRONG
    )
    return replace(plan, suite=replace(plan.suite, adjudications=decisions))


def lenient(plan: BuildPlan) -> BuildPlan:
    """Return the plan under a policy that allows half of the answers to break."""
    return replace(plan, policy=replace(plan.policy, max_break_rate=0.6))


def expecting(plan: BuildPlan) -> BuildPlan:
    """Return the plan with a suite that asks the same, and expects of some items what the variant said."""
    items = tuple(
        replace(item, expected="wrong") if item.id in sorted(WRONG)[:5] else item
        for item in plan.suite.items
    )
    return replace(plan, suite=replace(plan.suite, version=2, digest=digest_of("2"), items=items))


@pytest.mark.parametrize(
    ("change", "decision"),
    [(decided, Decision.PASS), (lenient, Decision.PASS), (expecting, Decision.FAIL)],
)
def test_it_is_judged_anew_and_nothing_is_asked(
    change: Callable[[BuildPlan], BuildPlan], decision: Decision, tmp_path: Path
) -> None:
    backend, runtime = FakeBackend(), FakeRuntime(wrong={"Q2_K": set(WRONG)})
    before = faked_build(tmp_path, backend, runtime)
    planned = before.plan.variants[1]
    units.build_files(before, planned)
    assert judged(before, planned).verdict.decision is Decision.FAIL
    asked, measured, built = list(runtime.asked), list(runtime.measured), list(backend.built)
    after = LocalBuild(
        plan=change(before.plan),
        settings=before.settings,
        tools=replace(before.tools, run_worker=start_nothing),
        show=before.show,
    )
    assert after.plan.key != before.plan.key, "it is a build of its own"
    units.build_files(after, planned)
    assert judged(after, planned).verdict.decision is decision
    assert (runtime.asked, runtime.measured, backend.built) == (asked, measured, built)
