"""What of a build has no effect is said while planning."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from quantgate.flows.build.preflight.without_effect import say_without_effect
from quantgate.pipelines.domain.checkpoint import Checkpoint, FolderExpansion
from quantgate.pipelines.domain.recipe import Format, KvCacheType, Recipe
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.domain.verdicts.waiver import BaseDivergenceWaiver, ContaminationWaiver
from quantgate.pipelines.specs.builds import BuildOverrides, BuildSpec, load_build
from quantgate.pipelines.specs.kv_caches import over_kv_caches
from quantgate.pipelines.specs.recipes import find_recipes
from quantgate.pipelines.specs.servers import judged_in
from tests.support.fakes import fake_checkpoint


def build_spec(folder: Path) -> BuildSpec:
    return load_build(None, BuildOverrides(model="model", suite=folder), ("Q8_0",))


def said_of(
    spec: BuildSpec, checkpoint: Checkpoint, recipes: tuple[Recipe, ...] | None = None
) -> list[str]:
    said: list[str] = []
    built = recipes_of("Q8_0") if recipes is None else recipes
    say_without_effect(spec, built, checkpoint, said.append)
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


def recipes_of(*names: str, kv_caches: tuple[KvCacheType, ...] = ()) -> tuple[Recipe, ...]:
    return over_kv_caches(find_recipes(names, Path()), kv_caches)


def test_without_recipes_nothing_comes_of_what_is_for_recipes(tmp_path: Path) -> None:
    spec = replace(
        build_spec(tmp_path),
        recipes=(),
        corpora=(tmp_path / "c.yaml",),
        kv_caches=("q8_0",),
        speed=True,
    )
    (line,) = said_of(spec, fake_checkpoint(tmp_path / "model"), ())
    assert line == "there are no recipes, so that nothing comes of corpus, kv, speed"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("Q8_0",), ["no recipe of this build is calibrated: nothing comes of its corpus"]),
        (("Q8_0", "Q4_K_M--imatrix"), []),
    ],
)
def test_a_corpus_that_no_recipe_takes_is_said(
    tmp_path: Path, names: tuple[str, ...], said: list[str]
) -> None:
    spec = replace(build_spec(tmp_path), corpora=(tmp_path / "c.yaml",))
    assert said_of(spec, fake_checkpoint(tmp_path / "model"), recipes_of(*names)) == said


def test_kv_caches_that_no_recipe_is_judged_with_are_said(tmp_path: Path) -> None:
    spec = replace(build_spec(tmp_path), kv_caches=("f16", "q8_0"))
    plain, with_own = (
        recipes_of(name, kv_caches=spec.kv_caches) for name in ("Q8_0", "FP8_DYNAMIC--kv_fp8")
    )
    checkpoint = fake_checkpoint(tmp_path / "model")
    assert said_of(spec, checkpoint, plain) == []
    (line,) = said_of(spec, checkpoint, with_own)
    assert line == "no recipe is judged with another KV cache than its own: nothing comes of q8_0"


def test_servers_that_nothing_is_judged_in_are_said(tmp_path: Path) -> None:
    rack, desk = (
        Server(name=name, engine="vllm", formats=(Format.GGUF,), url="http://rack:8000")
        for name in ("rack", "desk")
    )
    spec = replace(build_spec(tmp_path), servers=(rack, desk), judge_in=("desk",))
    recipes = judged_in(recipes_of("Q8_0"), spec.servers, spec.judge_in)
    (line,) = said_of(spec, fake_checkpoint(tmp_path / "model"), recipes)
    assert line == "nothing is judged in what `servers` calls rack"
