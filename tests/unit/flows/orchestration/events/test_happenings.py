"""What happened is one event each, about a resource, with an id that counts it once."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.results.build_result import COMPLETION, BuildResult
from quantgate.flows.build.states.verdict_changes import verdict_changes
from quantgate.flows.orchestration.events.releases import of_release
from quantgate.flows.orchestration.events.sending import tell
from quantgate.flows.orchestration.events.verdicts import of_verdict
from quantgate.flows.releases.claims import ReleaseKey
from quantgate.flows.releases.contents import ReleaseContents
from quantgate.flows.releases.looking import Release
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.files.records import write_checked
from quantgate.pipelines.files.store import Store
from tests.support.builds.faked import faked_build
from tests.support.fakes import FakeBackend, FakeRuntime
from tests.unit.flows.interface.test_builds import row
from tests.unit.flows.releases.test_changes import ENTRY

RELEASE = Release(
    followed=ENTRY,
    revision="1" * 40,
    model="org/model@1",
    key=ReleaseKey(label=ENTRY.label, revision="1" * 40, asked=digest_of("asked")),
    contents=ReleaseContents(parts={"suite": digest_of("suite"), "policy": digest_of("policy")}),
)


def test_a_release_is_told_with_what_it_consists_of() -> None:
    (released,) = of_release(RELEASE)
    assert (released.event, released.resource) == ("model.released", "quantgate.model.org/model")
    assert released.payload["revision"] == RELEASE.revision
    assert of_release(RELEASE)[0].id == released.id, "told twice it counts once"


@pytest.mark.parametrize("part", ["suite", "policy"])
def test_a_suite_that_is_judged_otherwise_is_told_beside_the_release(part: str) -> None:
    released, changed = of_release(replace(RELEASE, changed=(part,)))  # type: ignore[arg-type]
    assert (released.event, changed.event) == ("model.released", "suite.changed")
    assert changed.labels["suite_digest"] == digest_of("suite")


@pytest.fixture
def plan(tmp_path: Path) -> BuildPlan:
    return faked_build(tmp_path, FakeBackend(), FakeRuntime()).plan


def result(name: str, store: Store, decision: str, moment: int) -> BuildResult:
    made = BuildResult(
        name=name, page=store.report(name) / "index.html", rows=(row("Q8_0", decision),), errors=(),
        receipts=(), details={},
    )  # fmt: skip
    write_checked(store.report(name) / COMPLETION, made)
    os.utime(store.report(name) / COMPLETION, (moment, moment))
    return made


def test_a_verdict_that_differs_from_the_build_before_is_told(
    plan: BuildPlan, tmp_path: Path
) -> None:
    store = Store(root=tmp_path / "store")
    series = plan.name.rpartition("--")[0]
    result(f"{series}--older", store, "fail", 1000)
    result(f"{series}--before", store, "pass", 2000)
    result(f"other--{plan.suite.name}--1", store, "inconclusive", 3000)
    (change,) = verdict_changes(plan, result(plan.name, store, "fail", 4000), store)
    assert (change.before, change.after) == ("pass", "fail")
    happening = of_verdict(change)
    assert happening.resource == "quantgate.variant.llama--Q8_0"
    assert happening.document["payload"] == happening.payload


@pytest.mark.parametrize(
    ("before", "after"), [("pass", "pass"), ("error", "pass"), ("fail", "error")]
)
def test_an_error_is_no_verdict_that_changed(
    before: str, after: str, plan: BuildPlan, tmp_path: Path
) -> None:
    store = Store(root=tmp_path / "store")
    result(f"{plan.name.rpartition('--')[0]}--before", store, before, 1000)
    assert verdict_changes(plan, result(plan.name, store, after, 2000), store) == ()


def test_a_server_that_does_not_take_an_event_stops_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    settings = Settings.from_environment(
        {"QUANTGATE_STORE": str(tmp_path), "PREFECT_API_URL": "http://127.0.0.1:9/api"}
    )
    tell(of_release(RELEASE), settings, said.append)
    assert [line.partition(" (")[0] for line in said] == [
        "model.released was not told: the Prefect API does not answer"
    ]
