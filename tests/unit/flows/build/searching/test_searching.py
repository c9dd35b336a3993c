"""A search over a planned build: what may be tried, at which share of the error, and what was tried."""

from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.build import units
from quantgate.flows.build.errors import record_error
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.plan_files import read_command, write_command
from quantgate.flows.build.references import run_references
from quantgate.flows.build.searching.ladder import SearchRequest, search_plan
from quantgate.flows.build.searching.trying import progress, tried_plan
from quantgate.flows.build.timing.speeds import speed_of, time_beside_base
from quantgate.flows.orchestration.searching import tried_build
from quantgate.pipelines.domain.errors import InputError, WorkerError
from quantgate.pipelines.domain.verdicts.policy import Policy
from tests.support.builds.faked import faked_build
from tests.support.builds.metered import FakeMeter
from tests.support.builds.walking import judged
from tests.support.fakes import FakeBackend, FakeRuntime


def searching(tmp_path: Path, runtime: FakeRuntime) -> LocalBuild:
    build = faked_build(tmp_path, FakeBackend(), runtime)
    return replace(build, plan=search_plan(build, SearchRequest(goal="size")))


def walked(build: LocalBuild) -> list[str]:
    """Do what a search asks for until it asks for nothing; return the recipes in that order."""
    names = []
    while (upcoming := progress(build).upcoming) is not None:
        names.append(upcoming.recipe.name)
        units.build_files(build, upcoming)
        judged(build, upcoming)
    return names


def test_recipes_stand_by_size_and_share_the_error_of_the_policy(tmp_path: Path) -> None:
    plan = searching(tmp_path, FakeRuntime()).plan

    assert plan.search is not None
    assert [each[0].identifier for each in plan.search.sequences] == ["demo--Q8_0", "demo--Q2_K"]
    assert plan.policy.whole_confidence == pytest.approx(0.975)
    assert plan.policy.early_stopping


def test_holm_gives_way_to_the_search_s_own_shares(tmp_path: Path) -> None:
    build = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    holm = replace(build, plan=replace(build.plan, policy=Policy(family_wise="holm")))

    policy = search_plan(holm, SearchRequest(goal="memory")).policy

    assert (policy.family_wise, policy.error_shares) == ("none", 2)


def test_what_is_above_the_budget_is_named_and_never_tried(tmp_path: Path) -> None:
    build = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    whole = search_plan(build, SearchRequest(goal="size")).search
    assert whole is not None
    budget = whole.candidates[-1].size_bytes

    plan = search_plan(build, SearchRequest(goal="size", budget_bytes=budget))

    assert plan.search is not None
    assert [c.identifier for c in plan.search.beyond_budget] == ["demo--Q8_0"]
    assert [v.recipe.name for v in plan.variants] == ["Q2_K"]
    with pytest.raises(InputError, match="no recipe of this build is within the budget"):
        search_plan(build, SearchRequest(goal="size", budget_bytes=1))


def test_a_search_is_led_by_what_passed(tmp_path: Path) -> None:
    broken = {"Q2_K": {f"i{n}" for n in range(20)}}
    build = searching(tmp_path, FakeRuntime(wrong=broken))

    assert walked(build) == ["Q2_K", "Q8_0"]

    found = progress(build)
    assert dict(found.passed) == {"demo--Q8_0": True, "demo--Q2_K": False}
    assert [v.recipe.name for v in tried_plan(build.plan, found).variants] == ["Q8_0", "Q2_K"]


def test_what_was_not_needed_stands_in_no_build(tmp_path: Path) -> None:
    build = searching(tmp_path, FakeRuntime())

    assert walked(build) == ["Q2_K"]
    tried = tried_plan(build.plan, progress(build))
    assert [v.recipe.name for v in tried.variants] == ["Q2_K"]
    assert tried.search == build.plan.search


def test_what_an_error_stopped_did_not_pass(tmp_path: Path) -> None:
    build = searching(tmp_path, FakeRuntime())
    record_error(build, "demo--Q2_K", "build", WorkerError("was ended"))

    found = progress(build)

    assert dict(found.passed) == {"demo--Q2_K": False}
    assert found.upcoming is not None and found.upcoming.recipe.name == "Q8_0"


def test_what_a_search_tried_is_by_the_command_that_asked_for_the_search(tmp_path: Path) -> None:
    build = searching(tmp_path, FakeRuntime(wrong={"Q8_0": {f"i{n}" for n in range(20)}}))
    walked(build)
    store = build.settings.store
    unsaid = tried_build(build.plan, progress(build), store)
    assert unsaid.name != build.plan.name
    assert read_command(unsaid.name, store) == ""
    write_command(build.plan.name, "quantgate quantize --search size", store)
    tried = tried_build(build.plan, progress(build), store)
    assert tried == tried_plan(build.plan, progress(build))
    assert read_command(tried.name, store) == "quantgate quantize --search size"


def by_speed(
    tmp_path: Path, runtime: FakeRuntime, times: dict[str, float] | None = None
) -> LocalBuild:
    build = faked_build(tmp_path, FakeBackend(), runtime)
    meter = FakeMeter(base=build.bench.base("llamacpp").path, times=times or {})
    build = replace(build, tools=replace(build.tools, speed_meters={"llamacpp": meter}))
    return replace(build, plan=search_plan(build, SearchRequest(goal="speed")))


def raced(build: LocalBuild) -> list[str]:
    """Do what a search for speed asks for; return what it timed and asked, in that order."""
    steps = []
    while (after := progress(build)).upcoming is not None:
        upcoming = after.upcoming
        steps.append(f"{'time' if after.to_time else 'ask'} {upcoming.recipe.name}")
        units.build_files(build, upcoming)
        if after.to_time:
            run_references(build, upcoming.recipe.runtime)
            time_beside_base(build, upcoming)
        else:
            judged(build, upcoming)
    return steps


@pytest.mark.parametrize(
    ("times", "asked"),
    [
        ({"Q8_0": 1.5, "Q2_K": 3.0}, ["ask Q2_K"]),
        ({"Q8_0": 3.0, "Q2_K": 1.5}, ["ask Q8_0"]),
    ],
)
def test_for_speed_all_are_timed_and_the_fastest_is_asked_first(
    tmp_path: Path, times: dict[str, float], asked: list[str]
) -> None:
    build = by_speed(tmp_path, FakeRuntime(), times)
    assert raced(build) == ["time Q8_0", "time Q2_K", *asked]
    assert build.plan.speed


def test_for_speed_the_next_fastest_is_asked_where_the_fastest_breaks_too_much(
    tmp_path: Path,
) -> None:
    broken = {"Q2_K": {f"i{n}" for n in range(20)}}
    build = by_speed(tmp_path, FakeRuntime(wrong=broken), {"Q8_0": 1.1, "Q2_K": 4.0})
    assert raced(build) == ["time Q8_0", "time Q2_K", "ask Q2_K", "ask Q8_0"]
    assert dict(progress(build).passed) == {"demo--Q2_K": False, "demo--Q8_0": True}


def test_what_cannot_be_timed_is_out_of_the_race(tmp_path: Path) -> None:
    build = by_speed(tmp_path, FakeRuntime())
    record_error(build, speed_of("demo--Q8_0"), "time", WorkerError("was ended"))
    assert raced(build) == ["time Q2_K", "ask Q2_K"]


def test_a_runtime_that_serves_nobody_is_refused_in_one_line(tmp_path: Path) -> None:
    build = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    build = replace(
        build, tools=replace(build.tools, speed_meters={"other": FakeMeter(base=tmp_path)})
    )
    with pytest.raises(InputError, match="Q2_K, Q8_0 cannot be timed in llamacpp"):
        search_plan(build, SearchRequest(goal="speed"))
