from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.recipe import KvCacheType, Recipe
from quantgate.pipelines.specs.builds import BuildOverrides, load_build
from quantgate.pipelines.specs.kv_caches import (
    in_kv_cache,
    over_kv_caches,
    parse_kv_caches,
    split_kv_suffix,
    without_kv_suffix,
)
from quantgate.pipelines.specs.recipes import CATALOGUE, find_recipes, load_recipe

BUILD = "model: org/name\nsuite: suite\nrecipes: [Q8_0]\n"


def recipes(*names: str) -> tuple[Recipe, ...]:
    return find_recipes(names, Path())


def test_a_recipe_in_a_smaller_cache_says_so_in_name_and_numerics() -> None:
    (plain,) = recipes("Q2_K")
    smaller = in_kv_cache(plain, "q4_0")
    assert (smaller.name, str(smaller.numerics)) == ("Q2_K--kv_q4_0", "W2/A8/KV4")
    assert smaller.kv_cache == "q4_0"
    assert smaller.options == plain.options


def test_a_cache_may_be_asked_for_in_the_recipes_name() -> None:
    (named,) = recipes("Q2_K--kv_q8_0")
    assert named == in_kv_cache(recipes("Q2_K")[0], "q8_0")


@pytest.mark.parametrize(
    ("name", "plain", "kind"),
    [
        ("Q4_K_M--kv_q8_0", "Q4_K_M", "q8_0"),
        ("Q4_K_M--imatrix--kv_q4_0", "Q4_K_M--imatrix", "q4_0"),
        ("Q4_K_M", "Q4_K_M", None),
        ("FP8--kv_fp8", "FP8--kv_fp8", None),
        ("--kv_q8_0", "--kv_q8_0", None),
    ],
)
def test_only_llama_cpps_types_are_a_suffix(name: str, plain: str, kind: str | None) -> None:
    assert split_kv_suffix(name) == (plain, kind)
    assert without_kv_suffix(name) == plain


def test_the_axis_gives_every_gguf_recipe_in_each_type() -> None:
    named = [r.name for r in over_kv_caches(recipes("Q8_0", "Q2_K"), ("f16", "q8_0"))]
    assert named == ["Q8_0", "Q8_0--kv_q8_0", "Q2_K", "Q2_K--kv_q8_0"]
    assert over_kv_caches(recipes("Q8_0"), ()) == recipes("Q8_0")


def test_a_recipe_without_the_choice_stays_as_it_is_where_f16_is_among_them() -> None:
    named = [r.name for r in over_kv_caches(recipes("FP8_DYNAMIC", "Q2_K"), ("f16", "q4_0"))]
    assert named == ["FP8_DYNAMIC", "Q2_K", "Q2_K--kv_q4_0"]


def test_a_recipe_without_the_choice_is_refused_where_f16_is_not_among_them() -> None:
    with pytest.raises(InputError, match="judged in transformers") as refused:
        over_kv_caches(recipes("Q2_K", "FP8_DYNAMIC"), ("q8_0",))
    assert refused.value.next_step and "add f16" in refused.value.next_step


def test_a_recipe_that_names_a_cache_of_its_own_stays_as_it_is() -> None:
    chosen = replace(recipes("Q2_K")[0], name="mine", kv_cache="q8_0")
    for kinds in ((), ("f16", "q8_0"), ("q4_0",)):
        assert over_kv_caches((chosen,), kinds) == (chosen,)


def test_the_axis_and_a_name_that_say_the_same_are_refused() -> None:
    with pytest.raises(InputError, match="'Q2_K--kv_q8_0' is asked for twice"):
        over_kv_caches(recipes("Q2_K", "Q2_K--kv_q8_0"), ("f16", "q8_0"))


@pytest.mark.parametrize(
    ("line", "kinds"),
    [("kv: q8_0\n", ("q8_0",)), ("kv: [f16, q4_0]\n", ("f16", "q4_0")), ("", ())],
)
def test_a_build_file_says_kv(tmp_path: Path, line: str, kinds: tuple[KvCacheType, ...]) -> None:
    (tmp_path / "build.yaml").write_text(BUILD + line)
    assert load_build(tmp_path / "build.yaml", BuildOverrides(), ()).kv_caches == kinds


@pytest.mark.parametrize("line", ["kv: q8", "kv: [f16, f16]", "kv: {a: 1}"])
def test_a_build_file_with_another_kv_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "build.yaml").write_text(BUILD + line + "\n")
    with pytest.raises(InputError, match=r"line \d+: .*kv"):
        load_build(tmp_path / "build.yaml", BuildOverrides(), ())


def test_the_command_line_overrides_the_build_files_kv(tmp_path: Path) -> None:
    (tmp_path / "build.yaml").write_text(BUILD + "kv: q8_0\n")
    overrides = BuildOverrides(kv_caches=parse_kv_caches("f16, q4_0"))
    assert load_build(tmp_path / "build.yaml", overrides, ()).kv_caches == ("f16", "q4_0")


@pytest.mark.parametrize(
    ("text", "problem"),
    [("q8", r"no KV-cache type 'q8' \(did you mean 'q8_0'\?\)"), ("f16,f16", "named twice")],
)
def test_a_kv_type_that_is_none_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        parse_kv_caches(text)


def test_a_recipe_file_says_kv_cache(tmp_path: Path) -> None:
    text = (CATALOGUE / "Q2_K.yaml").read_text().replace("KV16", "KV8") + "kv_cache: q8_0\n"
    (tmp_path / "mine.yaml").write_text(text.replace("name: Q2_K", "name: mine"))
    assert load_recipe(tmp_path / "mine.yaml").kv_cache == "q8_0"


def test_a_recipe_file_for_transformers_has_no_such_cache(tmp_path: Path) -> None:
    text = (CATALOGUE / "FP8_DYNAMIC.yaml").read_text() + "kv_cache: q8_0\n"
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError, match="transformers has no KV-cache types"):
        load_recipe(tmp_path / "mine.yaml")
