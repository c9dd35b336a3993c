"""What will break is said before a variant is asked, and searches ask the likeliest first."""

import shutil
from dataclasses import replace
from pathlib import Path

from quantgate.flows.build import units
from quantgate.flows.build.local_build import LocalBuild
from quantgate.pipelines.domain.verdicts.audit import Divergence
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.report.stored.experience import experience_of
from quantgate.pipelines.report.stored.result_file import RESULT
from tests.support.builds.faked import faked_build
from tests.support.builds.stored import stored
from tests.support.builds.walking import answered, evidence_of
from tests.support.fakes import FakeBackend, FakeRuntime
from tests.support.verdicts.reports import example_report

ITEMS = 40


def _built(tmp_path: Path, runtime: FakeRuntime, policy: Policy) -> LocalBuild:
    build = faked_build(tmp_path, FakeBackend(), runtime)
    build = replace(build, plan=replace(build.plan, policy=policy))
    for planned in build.plan.variants:
        units.build_files(build, planned)
    return build


def test_a_prediction_is_sealed_before_the_first_answer_and_never_after(tmp_path: Path) -> None:
    margins = {f"i{number}": 1.0 + number for number in range(ITEMS)}
    runtime = FakeRuntime(margins=margins, wrong={"Q2_K": {"i0"}})
    build = _built(tmp_path, runtime, Policy(reference_runs=1))
    variant = build.plan.variants[1]
    answered(build, variant)

    prediction = units.predicted(build, variant)

    assert prediction is not None
    assert [item.item_id for item in prediction.items] == list(margins)
    assert "bundled example" in prediction.divergence_from
    shutil.rmtree(build.settings.store.root / "predictions")
    answered(build, variant)
    assert units.predicted(build, variant) is None, "its answers were there already"


def test_where_the_runtime_tells_no_margins_nothing_is_said(tmp_path: Path) -> None:
    build = _built(tmp_path, FakeRuntime(), Policy(reference_runs=1))
    answered(build, build.plan.variants[1])
    assert units.predicted(build, build.plan.variants[1]) is None


def test_what_the_base_nearly_decided_otherwise_is_asked_first_so_that_a_loser_ends_early(
    tmp_path: Path,
) -> None:
    """The last eight items of forty break: by suite order nearly all would be asked."""
    broken = {f"i{number}" for number in range(32, ITEMS)}
    margins = {f"i{number}": 0.1 if f"i{number}" in broken else 9.0 for number in range(ITEMS)}
    policy = Policy(reference_runs=1, early_stopping=True)
    asked = {}
    for name, told in (("ordered", margins), ("unordered", {})):
        runtime = FakeRuntime(margins=told, wrong={"Q2_K": broken})
        build = _built(tmp_path / name, runtime, policy)
        verdict = evidence_of(build, build.plan.variants[1]).verdict
        assert verdict.decision is Decision.FAIL
        asked[name] = len(verdict.items)
    assert asked == {"ordered": 5, "unordered": 40}


def test_earlier_builds_teach_margins_and_divergences_and_the_build_itself_does_not(
    tmp_path: Path,
) -> None:
    store = Store(root=tmp_path)
    report = example_report({"flat": 40, "refusal": 40})
    drift = Divergence(mean_kl=0.02, top1_agreement=0.98, tokens=100)
    asked = [v for v in report.variants if v.audit and v.verdict and v.verdict.whole]
    drifted = tuple(replace(v, audit=replace(v.audit, divergence=drift)) for v in asked if v.audit)
    result = stored(replace(report, variants=drifted), store.report("earlier"))
    damaged = store.report("damaged")
    damaged.mkdir()
    (damaged / RESULT).write_text("{")

    experience = experience_of(store, beside="this")

    reliable = {str(each.key): len(each.margins) for each in result.references}
    assert experience.learned.builds == 1
    assert experience.learned.answers == sum(
        reliable[v.verdict.reference_key] for v in drifted if v.verdict
    )
    assert {seen.divergence for seen in experience.divergences} == {0.02}
    assert len(experience.divergences) == len(drifted) == 4
    assert experience_of(store, beside="earlier").learned.answers == 0
