"""Variants are timed by turns with their base, once; what has no server's speed says so."""

from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.build import units
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.timing.speeds import (
    FAILED_ITS_AUDIT,
    sealed_speed,
    time_beside_base,
    untimed_because,
)
from quantgate.flows.build.timing.variant_speed import processor_name, timed_prompt
from quantgate.flows.build.verdicts import evidence
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.speed import ACCURACY_ONLY, NO_METER
from quantgate.pipelines.engines.requests import Prompt
from quantgate.registry.evidence_facts import version_facts
from tests.support.builds.faked import faked_build
from tests.support.builds.metered import FakeMeter, metered
from tests.support.builds.walking import audited, judged
from tests.support.fakes import FakeBackend, FakeRuntime

SERVER = Server(name="llamacpp", engine="llama-server", formats=(Format.GGUF,), version="1")


@pytest.fixture
def timed(tmp_path: Path) -> tuple[LocalBuild, FakeMeter]:
    """A build whose first variant is judged, with a meter for its runtime."""
    here, meter = metered(faked_build(tmp_path, FakeBackend(), FakeRuntime()))
    units.build_files(here, here.plan.variants[0])
    judged(here, here.plan.variants[0])
    return here, meter


def test_base_and_variant_take_turns_and_are_timed_once(
    timed: tuple[LocalBuild, FakeMeter],
) -> None:
    here, meter = timed
    first = here.plan.variants[0]
    assert sealed_speed(here, first) is None
    record = time_beside_base(here, first)
    base = [request.loadable.path == meter.base for request in meter.asked]
    assert base == [True, False] * 3
    assert time_beside_base(here, first) == record
    assert len(meter.asked) == 6
    assert sealed_speed(here, first) == record.speed


def test_a_speed_is_part_of_the_evidence_and_of_a_versions_facts(
    timed: tuple[LocalBuild, FakeMeter],
) -> None:
    here, _ = timed
    first = here.plan.variants[0]
    before = evidence(here, first)
    time_beside_base(here, first)
    after = evidence(here, first)
    assert before.speed is None
    assert after.key != before.key
    assert after.verdict == before.verdict
    facts = version_facts(after).speed
    assert (facts.ratio, facts.memory_ratio, facts.peak_memory_bytes) == (2.0, 0.5, 500.0)


def test_a_build_that_asks_for_no_speed_reads_none(timed: tuple[LocalBuild, FakeMeter]) -> None:
    here, _ = timed
    first = here.plan.variants[0]
    time_beside_base(here, first)
    silent = replace(here, plan=replace(here.plan, speed=False))
    assert sealed_speed(silent, first) is None
    assert untimed_because(silent, first) == ""
    assert silent.plan.key != here.plan.key


def test_a_runtime_without_a_meter_is_there_for_accuracy_only(
    timed: tuple[LocalBuild, FakeMeter],
) -> None:
    here, meter = timed
    bare = replace(here, tools=replace(here.tools, speed_meters={}))
    first = bare.plan.variants[0]
    assert time_beside_base(bare, first).reason == ACCURACY_ONLY
    assert untimed_because(bare, first) == ACCURACY_ONLY
    assert meter.asked == []


def test_the_prompt_is_the_suites_middle_one_and_answers_are_as_long_as_the_bases() -> None:
    prompts = [Prompt(item_id=str(n), token_ids=tuple(range(n))) for n in (9, 700, 30)]
    assert timed_prompt(prompts, [20, 40, 30]).token_ids == tuple(range(30))
    assert timed_prompt(prompts, [20, 40, 30]).generated_tokens == 30
    assert timed_prompt(prompts[:1], [1]).generated_tokens == 16
    assert timed_prompt(prompts[1:2], [500]).generated_tokens == 64
    assert len(timed_prompt(prompts[1:2], [5]).token_ids) == 512


def test_a_machine_is_known_by_its_processor(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nmodel name\t: Made Up 9000\n")
    assert processor_name(file) == "Made Up 9000"
    assert processor_name(tmp_path / "missing")


def test_what_a_server_answers_is_not_called_accuracy_only(
    timed: tuple[LocalBuild, FakeMeter],
) -> None:
    here, _ = timed
    served = replace(
        here,
        plan=replace(here.plan, servers=(SERVER,)),
        tools=replace(here.tools, speed_meters={}),
    )
    first = served.plan.variants[0]
    assert untimed_because(served, first) == NO_METER
    assert time_beside_base(served, first).reason == NO_METER


def test_what_failed_its_audit_is_not_timed_as_it_may_not_even_load(tmp_path: Path) -> None:
    runtime = FakeRuntime(probe_detail="tensor data is truncated")
    here, meter = metered(faked_build(tmp_path, FakeBackend(), runtime))
    first = here.plan.variants[0]
    assert untimed_because(here, first) == "not timed"
    units.build_files(here, first)
    assert not audited(here, first).passed
    assert time_beside_base(here, first).reason == FAILED_ITS_AUDIT
    assert untimed_because(here, first) == FAILED_ITS_AUDIT
    assert meter.asked == []
