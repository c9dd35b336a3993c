"""What of a build has no effect is said while planning."""

from dataclasses import replace
from datetime import date
from pathlib import Path

from quantgate.flows.build.preflight.without_effect import say_without_effect
from quantgate.pipelines.domain.checkpoint import Checkpoint, FolderExpansion
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.domain.verdicts.waiver import BaseDivergenceWaiver, ContaminationWaiver
from quantgate.pipelines.specs.builds import BuildOverrides, BuildSpec, load_build
from tests.support.fakes import fake_checkpoint


def build_spec(folder: Path) -> BuildSpec:
    return load_build(None, BuildOverrides(model="model", suite=folder), ("Q8_0",))


def said_of(spec: BuildSpec, checkpoint: Checkpoint) -> list[str]:
    said: list[str] = []
    say_without_effect(spec, checkpoint, said.append)
    return said


def test_waivers_that_have_expired_are_named_and_others_are_not(tmp_path: Path) -> None:
    past, to_come = date(2020, 1, 1), date(9999, 1, 1)
    spec = replace(
        build_spec(tmp_path),
        contamination_waivers=tuple(
            ContaminationWaiver(item_id=name, reason="a greeting", who="Ada", expires=expires)
            for name, expires in (("hello", past), ("bye", to_come))
        ),
        base_divergence_waiver=BaseDivergenceWaiver(reason="short", who="Ada", expires=past),
    )
    first, second = said_of(spec, fake_checkpoint(tmp_path / "model"))
    assert "a waiver has expired" in first and "hello: a greeting (Ada, until 2020-01-01)" in first
    assert "short (Ada, until 2020-01-01)" in second


def test_an_expansion_is_said_to_change_nothing_where_there_is_nothing_to_expand(
    tmp_path: Path,
) -> None:
    spec = replace(build_spec(tmp_path), expansion="no wider one is out")
    plain = fake_checkpoint(tmp_path / "model")
    (line,) = said_of(spec, plain)
    assert "is in full precision: `expand` changes nothing" in line
    low_bit = FolderExpansion(
        folder=tmp_path, digest=Digest("0"), stored_as="FP8", reason="no wider one is out"
    )
    assert said_of(spec, replace(plain, expansion=low_bit)) == []
    assert said_of(build_spec(tmp_path), plain) == []
