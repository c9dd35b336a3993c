"""A base made of a GGUF file is held against that very file before anything is built."""

from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.build.bases import measured_bases
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.sources import refuse_unlike_source
from quantgate.pipelines.domain.checkpoint import GgufOrigin
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import digest_of
from tests.support.builds.faked import faked_build
from tests.support.fakes import FakeBackend, FakeRuntime


def built_from(
    tmp_path: Path, source: FakeRuntime, file_type: str = "F16", expansion: str = ""
) -> LocalBuild:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    origin = GgufOrigin(
        file=here.plan.checkpoint.folder,  # what the fake loads
        sha256=digest_of("file"),
        file_type=file_type,
        expansion=expansion,
    )
    plan = replace(here.plan, checkpoint=replace(here.plan.checkpoint, origin=origin))
    return replace(here, plan=plan, tools=replace(here.tools, source_runtime=source))


def test_a_base_like_its_file_goes_on_and_the_measurement_is_kept(tmp_path: Path) -> None:
    here = built_from(tmp_path, FakeRuntime())
    refuse_unlike_source(here)
    (kept,) = measured_bases(here.plan, here.settings.store)
    assert kept.engine == "fake from the GGUF file"
    assert kept.finding.passed


def test_a_base_of_no_file_has_nothing_to_be_held_against(tmp_path: Path) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    refuse_unlike_source(here)
    assert measured_bases(here.plan, here.settings.store) == ()


def test_another_tokenizer_or_template_than_the_file_s_is_refused(tmp_path: Path) -> None:
    here = built_from(tmp_path, FakeRuntime(template="another"))
    with pytest.raises(CheckpointError, match=r"not what llama\.cpp reads in it: chat template"):
        refuse_unlike_source(here)


def test_other_logits_than_the_file_s_are_refused(tmp_path: Path) -> None:
    here = built_from(tmp_path, FakeRuntime(base_kl=0.004))
    with pytest.raises(CheckpointError, match=r"computes something else than llama\.cpp does"):
        refuse_unlike_source(here)


def test_low_bit_weights_are_multiplied_more_coarsely_and_may_differ_more(tmp_path: Path) -> None:
    refuse_unlike_source(
        built_from(tmp_path, FakeRuntime(base_kl=0.004), file_type="Q4_1", expansion="why")
    )


def test_what_a_base_had_lost_is_part_of_the_build_s_key(tmp_path: Path) -> None:
    plain = built_from(tmp_path, FakeRuntime()).plan
    expanded = built_from(tmp_path, FakeRuntime(), "Q4_1", "why").plan
    assert plain.key != expanded.key
