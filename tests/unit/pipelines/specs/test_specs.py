from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.recipe import Calibration, GgufOptions
from quantgate.pipelines.specs.builds import BuildOverrides, load_build
from quantgate.pipelines.specs.policies import load_policy
from quantgate.pipelines.specs.recipes import (
    CATALOGUE,
    DEFAULT_RECIPES,
    catalogue,
    find_recipes,
    load_recipe,
)
from quantgate.pipelines.suites.load import load_suite

SUITE = """\
name: demo
version: 1
grader: {kind: exact}
decode: {max_tokens: 8}
slices:
  easy: {description: "all of it"}
"""
ITEM = '{"id": "1", "prompt": "2+2?", "expected": "4", "slices": ["easy"]}\n'


def suite_folder(tmp_path: Path, suite: str = SUITE, items: str = ITEM) -> Path:
    (tmp_path / "suite.yaml").write_text(suite)
    (tmp_path / "items.jsonl").write_text(items)
    return tmp_path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_suite(path)
    return str(caught.value)


def test_a_prompt_is_one_user_message(tmp_path: Path) -> None:
    suite = load_suite(suite_folder(tmp_path))
    assert [(m.role, m.content) for m in suite.items[0].messages] == [("user", "2+2?")]


def test_the_suite_digest_follows_what_is_asked_and_not_how_it_is_described(tmp_path: Path) -> None:
    digest = load_suite(suite_folder(tmp_path)).digest
    reworded = SUITE + "description: other words\n"
    assert load_suite(suite_folder(tmp_path, reworded)).digest == digest
    other_item = ITEM.replace("2+2?", "2+3?")
    assert load_suite(suite_folder(tmp_path, SUITE, other_item)).digest != digest
    longer = SUITE.replace("max_tokens: 8", "max_tokens: 9")
    assert load_suite(suite_folder(tmp_path, longer)).digest != digest


def test_every_problem_of_a_file_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    broken = SUITE.replace("grader:", "gradder:").replace("max_tokens: 8", "max_tokens: none")
    text = refusal(suite_folder(tmp_path, broken))
    assert "line 3: unknown key 'gradder' (did you mean 'grader'?)" in text
    assert "line 4: decode.max_tokens: has to be a whole number, not 'none'" in text
    assert "key 'grader' is missing" in text


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    text = refusal(suite_folder(tmp_path, SUITE + "name: again\n"))
    assert "line 7: key 'name' stands here twice" in text


def test_broken_items_are_named_by_line(tmp_path: Path) -> None:
    items = ITEM + '{"id": "2"}\nnot json\n'
    text = refusal(suite_folder(tmp_path, SUITE, items))
    assert "line 2: key 'expected' is missing" in text
    assert "line 3: is not valid JSON" in text


@pytest.mark.parametrize(
    ("items", "problem"),
    [
        ("", "there are no items"),
        (ITEM * 2, "item id '1' stands here 2 times"),
        (ITEM.replace("easy", "esay"), "slice 'esay' is not in suite.yaml (did you mean 'easy'?)"),
        (
            ITEM.replace("esay", "easy").replace('"prompt": "2+2?"', '"messages": []'),
            "needs either",
        ),
    ],
)
def test_items_that_cannot_be_judged_are_refused(tmp_path: Path, items: str, problem: str) -> None:
    assert problem in refusal(suite_folder(tmp_path, SUITE, items))


def test_a_slice_without_items_is_refused(tmp_path: Path) -> None:
    assert "slice 'hard' has no items" in refusal(suite_folder(tmp_path, SUITE + "  hard: {}\n"))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"- a\n- b\n"])
def test_a_file_that_is_no_suite_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "suite.yaml").write_bytes(content)
    assert "suite.yaml" in refusal(tmp_path)


def test_a_folder_without_a_suite_says_what_a_suite_is(tmp_path: Path) -> None:
    assert "a suite is a folder with suite.yaml and items.jsonl" in refusal(tmp_path)


def test_the_catalogue_has_unique_consistent_recipes() -> None:
    recipes = catalogue()
    assert {recipe.name for recipe in recipes} >= {
        "Q8_0",
        "Q4_K_M--imatrix",
        "Q2_K",
        "W4A16--gptq",
        "FP8_DYNAMIC",
        "NVFP4",
    }
    for recipe in recipes:
        assert (recipe.calibration is Calibration.NONE) == (recipe.calibration_tokens == 0)
        assert isinstance(recipe.options, GgufOptions) == (recipe.runtime == "llamacpp")
        assert recipe.name == Path(CATALOGUE / f"{recipe.name}.yaml").stem
        assert recipe.kv_cache == "f16", "the catalogue leaves the cache to the build"


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown recipe 'Q8' \(did you mean 'Q8_0'\?\)"):
        find_recipes(("Q8",), Path())


def test_a_recipe_asked_for_twice_is_refused() -> None:
    with pytest.raises(InputError, match="twice"):
        find_recipes(("Q8_0", "Q8_0"), Path())


def test_a_recipe_file_of_the_users_own_works_like_a_bundled_one(tmp_path: Path) -> None:
    bundled = Path("pipelines/specs/catalogue/Q2_K.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(bundled.replace("name: Q2_K", "name: mine"))
    assert find_recipes(("mine.yaml", "Q8_0"), tmp_path)[0].name == "mine"


def test_a_calibrated_recipe_without_tokens_is_refused(tmp_path: Path) -> None:
    bundled = Path("pipelines/specs/catalogue/Q2_K.yaml").read_text()
    path = tmp_path / "mine.yaml"
    path.write_text(bundled.replace("calibration: none", "calibration: imatrix"))
    with pytest.raises(InputError, match="calibration_tokens is 0"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (
            "options:",
            "bits_per_weight: {low: 5.6, high: 3.4}\noptions:",
            "bits_per_weight: low is above high",
        ),
        (
            "calibration_tokens: 0",
            "calibration_tokens: 9",
            "calibration_tokens is 9 and calibration",
        ),
        ("weights: W2", "weights: 2 bit", "numerics.weights: is '2 bit', which does not fit"),
        ("format: gguf", "format: awq", "llamacpp does not write format awq"),
        ("runtime: llamacpp", "runtime: transformers", "format gguf does not run in transformers"),
        ("KV16}", "KV8}", "numerics.kv_cache is KV8, and kv_cache f16 means KV16"),
        ("KV16}", "KV16}\nkv_cache: q8_0", "KV16, and kv_cache q8_0 means KV8"),
        ("KV16}", "KV16}\nkv_cache: q8", "kv_cache: has to be 'f16', 'q8_0' or 'q4_0', not 'q8'"),
        ("file_type:", "filetype:", "(did you mean 'file_type'?)"),
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused(
    tmp_path: Path, before: str, after: str, problem: str
) -> None:
    text = (CATALOGUE / "Q2_K.yaml").read_text()
    assert before in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(before, after))
    with pytest.raises(InputError) as refused:
        load_recipe(path)
    assert problem in str(refused.value)


def test_the_recipe_that_the_documentation_shows_is_one(tmp_path: Path) -> None:
    page = Path("docs/recipes.md").read_text()
    shown = next(part for part in page.split("```yaml\n") if "yaml-language-server" in part)
    (tmp_path / "shown.yaml").write_text(shown.partition("```")[0])
    (recipe,) = find_recipes(("shown.yaml",), tmp_path)
    assert isinstance(recipe.options, GgufOptions) and recipe.options.tensor_types


def test_a_pattern_names_every_recipe_that_matches_and_none_twice() -> None:
    named = [recipe.name for recipe in find_recipes(("Q8_0", "Q*"), Path())]
    assert named[0] == "Q8_0"
    assert {"Q2_K", "Q4_K_M--imatrix"} < set(named)
    assert len(named) == len(set(named))
    with pytest.raises(InputError, match=r"no recipe matches 'Z\*'"):
        find_recipes(("Z*",), Path())


def test_without_recipes_a_build_has_one_of_each_common_kind(tmp_path: Path) -> None:
    path = tmp_path / "build.yaml"
    path.write_text("model: org/name\nsuite: suite\n")
    assert load_build(path, BuildOverrides(), DEFAULT_RECIPES).recipes == DEFAULT_RECIPES
    command = BuildOverrides(model="org/name", suite=Path("suite"))
    assert load_build(None, command, DEFAULT_RECIPES).recipes == DEFAULT_RECIPES
    assert len(find_recipes(DEFAULT_RECIPES, tmp_path)) == len(DEFAULT_RECIPES)


def test_a_critical_slice_the_suite_lacks_is_refused(tmp_path: Path) -> None:
    suite = load_suite(suite_folder(tmp_path))
    (tmp_path / "policy.yaml").write_text("critical_slices: [eazy]\n")
    with pytest.raises(InputError, match=r"did you mean 'easy'\?"):
        load_policy(tmp_path / "policy.yaml", suite)


def test_without_a_policy_file_the_default_counts(tmp_path: Path) -> None:
    policy = load_policy(None, load_suite(suite_folder(tmp_path)))
    assert (policy.max_break_rate, policy.confidence, policy.require_all_slices) == (
        0.1,
        0.95,
        False,
    )


def test_paths_of_a_build_file_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    path = tmp_path / "build.yaml"
    path.write_text("model: model\nsuite: suite\nrecipes: [Q8_0]\n")
    spec = load_build(path, BuildOverrides(), ())
    assert (spec.model, spec.suite) == (str(tmp_path / "model"), tmp_path / "suite")


def test_a_build_file_may_hand_variables_to_the_template(tmp_path: Path) -> None:
    path = tmp_path / "build.yaml"
    path.write_text("model: m\nsuite: s\ntemplate_variables: {enable_thinking: false}\n")
    assert load_build(path, BuildOverrides(), ()).template_variables == {"enable_thinking": False}
    path.write_text("model: m\nsuite: s\ntemplate_variables: {tools: []}\n")
    with pytest.raises(InputError, match=r"line 3: .*'tools' is set by whoever renders"):
        load_build(path, BuildOverrides(), ())


def test_a_hub_name_in_a_build_file_stays_a_hub_name(tmp_path: Path) -> None:
    path = tmp_path / "build.yaml"
    path.write_text("model: org/name@main\nsuite: suite\nrecipes: [Q8_0]\n")
    assert load_build(path, BuildOverrides(), ()).model == "org/name@main"


def test_a_gguf_beside_a_build_file_is_found_and_may_be_expanded_for_a_reason(
    tmp_path: Path,
) -> None:
    path = tmp_path / "build.yaml"
    (tmp_path / "model.Q4_1.gguf").write_bytes(b"GGUF")
    path.write_text("model: model.Q4_1.gguf\nsuite: s\nexpand: nothing wider is published\n")
    spec = load_build(path, BuildOverrides(), ())
    assert spec.model == str(tmp_path / "model.Q4_1.gguf")
    assert spec.expansion == "nothing wider is published"
    assert load_build(path, BuildOverrides(expansion="mine"), ()).expansion == "mine"
    path.write_text("model: model.Q4_1.gguf\nsuite: s\nexpand: ' '\n")
    with pytest.raises(InputError, match="line 3"):
        load_build(path, BuildOverrides(), ())


def test_the_command_line_overrides_the_build_file(tmp_path: Path) -> None:
    path = tmp_path / "build.yaml"
    path.write_text("name: mine\nmodel: org/name\nsuite: suite\nrecipes: [Q8_0]\n")
    overrides = BuildOverrides(model="org/other", recipes=("Q2_K",), suite=Path("elsewhere"))
    spec = load_build(path, overrides, ())
    assert (spec.model, spec.recipes, spec.suite) == ("org/other", ("Q2_K",), Path("elsewhere"))
    assert spec.name is None, "another model is not registered under the first one's name"
    assert load_build(path, replace(overrides, name="asked"), ()).name == "asked"


def test_another_revision_of_the_same_model_keeps_the_build_files_name(tmp_path: Path) -> None:
    path = tmp_path / "build.yaml"
    path.write_text("name: mine\nmodel: org/name\nsuite: suite\n")
    for model in (f"org/name@{'0' * 40}", "org/name@next", "org/name"):
        assert load_build(path, BuildOverrides(model=model), ()).name == "mine"
    (tmp_path / "base").mkdir()
    (tmp_path / "base@2").mkdir()
    path.write_text("name: mine\nmodel: base\nsuite: suite\n")
    same, other = str(tmp_path / "x" / ".." / "base"), str(tmp_path / "base@2")
    (tmp_path / "x").mkdir()
    assert load_build(path, BuildOverrides(model=same), ()).name == "mine"
    assert load_build(path, BuildOverrides(model=other), ()).name is None


def test_without_build_file_model_and_suite_are_needed() -> None:
    with pytest.raises(InputError, match="needs a model and a suite"):
        load_build(None, BuildOverrides(model="org/name"), ())
