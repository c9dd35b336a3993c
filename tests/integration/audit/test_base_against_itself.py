"""A/A: the example's base, judged twenty times as if it were a variant of itself, fails no gate."""

from dataclasses import replace

import pytest

from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.planning.plans import make_plan
from quantgate.flows.build.references import run_references
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from quantgate.pipelines.audit.behaviour import audit_behaviour
from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.domain.verdicts.audit import AuditReport
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.gates.judge import judge
from quantgate.pipelines.specs.builds import BuildOverrides, load_build
from tests.support.builds.road import make_road
from tests.support.builds.site import silent

pytestmark = [pytest.mark.integration, pytest.mark.slow]

REPEATS, REFERENCES = 20, 3
ITEMS_A_SLICE = 20


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> LocalBuild:
    """A planned build on twenty items a slice, of which nothing but the base is asked."""
    folder = tmp_path_factory.mktemp("itself")
    road = make_road(folder, ("Q8_0",), ITEMS_A_SLICE)
    (folder / "policy.yaml").write_text(f"reference_runs: {REFERENCES + REPEATS}\n")
    settings = replace(
        Settings.from_environment(), store=Store(root=road.store), threads=2, workers=1
    )
    tools = wire(settings)
    spec = load_build(folder / "build.yaml", BuildOverrides(), ())
    plan = make_plan(spec, settings, tools, lambda _: None)
    return LocalBuild(plan=plan, settings=settings, tools=tools, show=silent)


@pytest.fixture(scope="module")
def runs(site: LocalBuild) -> tuple[Run, ...]:
    """The base's answers, every time with the items in another order."""
    return run_references(site, "llamacpp")


def test_the_base_fails_no_gate_in_twenty_repeats(site: LocalBuild, runs: tuple[Run, ...]) -> None:
    references = runs[:REFERENCES]
    for repeat in runs[REFERENCES:]:
        verdict = judge(
            suite=site.plan.suite,
            policy=site.plan.policy,
            audit=AuditReport(findings=audit_behaviour(references[0], repeat)),
            reference_runs=references,
            variant_run=repeat,
        )
        assert verdict.decision is Decision.PASS, verdict.reasons
        assert verdict.whole is not None
        assert Decision.FAIL not in {one.decision for one in (verdict.whole, *verdict.slices)}


def test_the_repeats_were_not_all_the_same_run(runs: tuple[Run, ...]) -> None:
    orders = {run.contract.schedule.order_seed for run in runs}

    assert orders == set(range(REFERENCES + REPEATS))
    assert len({run.key for run in runs}) == len(runs)
