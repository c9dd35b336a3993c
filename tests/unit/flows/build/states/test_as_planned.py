"""Later commands look for what a build left under the threads and runtimes that the build had."""

from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.states.as_planned import build_as_planned, refuse_other_runtimes
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.files.records import to_json
from tests.support.builds.faked import faked_build
from tests.support.fakes import FakeBackend, FakeRuntime


def planned(folder: Path, threads: int) -> LocalBuild:
    """A build without variants, whose schedules have so many threads."""
    build = faked_build(folder, FakeBackend(), FakeRuntime())
    runtime = build.tools.runtimes["llamacpp"]
    parts = (runtime.identity(None), runtime.schedule(threads))
    contracts = tuple(digest_of(to_json(part)) for part in parts)
    return replace(build, plan=replace(build.plan, variants=(), contracts=contracts))


@pytest.mark.parametrize("threads", [1, 7, 96])
def test_the_threads_are_those_of_the_plan(tmp_path: Path, threads: int) -> None:
    build = planned(tmp_path, threads)
    today = replace(build.settings, threads=4)
    assert build_as_planned(build.plan, today, build.tools).settings.threads == threads


def test_they_are_todays_where_no_number_gives_the_plans_schedules(tmp_path: Path) -> None:
    build = planned(tmp_path, 2)
    plan = replace(build.plan, contracts=build.plan.contracts[:1])
    today = replace(build.settings, threads=4)
    assert build_as_planned(plan, today, build.tools).settings.threads == 4


def test_a_runtime_that_is_another_one_now_is_named_with_its_device(tmp_path: Path) -> None:
    build = planned(tmp_path, 2)
    refuse_other_runtimes(build.plan, build.tools)
    plan = replace(build.plan, contracts=build.plan.contracts[1:])
    with pytest.raises(InputError, match="now it is fake, 1, on cpu") as caught:
        refuse_other_runtimes(plan, build.tools)
    assert "QUANTGATE_DEVICE" in str(caught.value.next_step)
