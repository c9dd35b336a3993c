"""Several corpora in one build: every calibrated recipe on each, compared item by item."""

from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.recipe import Calibration, CompressedTensorsOptions
from quantgate.pipelines.domain.verdicts.verdict import PairOutcome
from quantgate.pipelines.report.corpus_comparison import corpus_comparisons
from quantgate.pipelines.report.page.rendering import render_page
from quantgate.pipelines.specs.builds import BuildOverrides, load_build
from quantgate.pipelines.specs.corpora_axis import over_corpora, split_corpus, without_corpus
from quantgate.pipelines.specs.recipes import find_recipes
from tests.support.verdicts.reports import example_report

BUILD = "model: model\nsuite: suite\n"


def names(recipes: tuple[str, ...], *corpora: str) -> list[tuple[str, str | None]]:
    found, _ = over_corpora(find_recipes(recipes, Path()), corpora)
    return [(one.recipe.name, one.corpus) for one in found]


def test_calibrated_recipes_come_once_a_corpus_and_others_once() -> None:
    assert names(("Q8_0", "Q4_K_M--imatrix"), "mine", "web", "none") == [
        ("Q8_0", None),
        ("Q4_K_M--imatrix--on_mine", "mine"),
        ("Q4_K_M--imatrix--on_web", "web"),
        ("Q4_K_M--imatrix--on_none", None),
    ]


def test_with_one_corpus_recipes_keep_their_names() -> None:
    assert names(("Q8_0", "Q4_K_M--imatrix"), "mine") == [
        ("Q8_0", None),
        ("Q4_K_M--imatrix", "mine"),
    ]
    assert names(("Q4_K_M--imatrix",)) == [("Q4_K_M--imatrix", None)]


def test_without_a_corpus_weights_are_rounded_to_nearest_at_the_same_scheme() -> None:
    gptq, imatrix, static = find_recipes(
        ("W4A16--gptq", "Q4_K_M--imatrix", "W8A8--smoothquant_gptq"), Path()
    )
    plain = without_corpus(gptq)
    assert plain is not None
    assert isinstance(plain.options, CompressedTensorsOptions)
    assert isinstance(gptq.options, CompressedTensorsOptions)
    assert plain.options.modifier == "QuantizationModifier"
    assert plain.options.scheme == gptq.options.scheme
    assert plain.options.group_size == gptq.options.group_size
    assert plain.calibration is Calibration.NONE
    bare = without_corpus(imatrix)
    assert bare is not None
    assert bare.options == imatrix.options
    assert without_corpus(static) is None, "its activations cannot be scaled without samples"


def test_a_recipe_that_cannot_do_without_a_corpus_is_said_and_left_out() -> None:
    found, left_out = over_corpora(
        find_recipes(("W8A8--smoothquant_gptq",), Path()), ("mine", "none")
    )
    assert [one.corpus for one in found] == ["mine"]
    (sentence,) = left_out
    assert "W8A8--smoothquant_gptq cannot be built without a corpus" in sentence


def test_a_corpus_named_twice_is_refused() -> None:
    with pytest.raises(InputError, match="named twice"):
        over_corpora(find_recipes(("Q8_0",), Path()), ("mine", "mine"))


def test_names_say_recipe_and_corpus_also_with_a_cache_type() -> None:
    assert split_corpus("Q4_K_M--imatrix--on_web--kv_q8_0") == ("Q4_K_M--imatrix", "web")
    assert split_corpus("Q4_K_M--imatrix") == ("Q4_K_M--imatrix", None)


def test_a_build_file_names_one_corpus_or_several(tmp_path: Path) -> None:
    file = tmp_path / "build.yaml"
    file.write_text(BUILD + "corpora: [mine.yaml, none]\n")
    assert load_build(file, BuildOverrides(), ()).corpora == (tmp_path / "mine.yaml", None)
    file.write_text(BUILD + "corpus: mine.yaml\n")
    assert load_build(file, BuildOverrides(), ()).corpora == (tmp_path / "mine.yaml",)
    file.write_text(BUILD + "corpus: mine.yaml\ncorpora: [web.yaml]\n")
    with pytest.raises(InputError, match="either `corpus` or `corpora`"):
        load_build(file, BuildOverrides(), ())


def test_variants_of_one_recipe_are_paired_with_the_first_corpus() -> None:
    report = example_report()
    first, second = report.variants[0], report.variants[1]
    assert first.verdict is not None
    assert second.verdict is not None
    named = replace(
        report,
        variants=tuple(
            replace(one, recipe=replace(one.recipe, name=f"Q4_K_M--imatrix--on_{corpus}"))
            for one, corpus in ((first, "mine"), (second, "none"))
        ),
    )
    (compared,) = corpus_comparisons(named)

    assert [row.corpus for row in compared.rows] == ["mine", "none"]
    assert compared.rows[0].against_first is None
    against = compared.rows[1].against_first
    assert against is not None
    right = (PairOutcome.BOTH_RIGHT, PairOutcome.FIXED)
    before = {item.item_id: item.outcome in right for item in first.verdict.items}
    after = {item.item_id: item.outcome in right for item in second.verdict.items}
    assert against.won == sum(after[name] and not before[name] for name in before)
    assert against.lost == sum(before[name] and not after[name] for name in before)
    assert against.delta == pytest.approx((against.won - against.lost) / len(before))
    assert "Which corpus" in render_page(named)


def test_a_build_on_one_corpus_compares_nothing() -> None:
    assert corpus_comparisons(example_report()) == ()
    assert "Which corpus" not in render_page(example_report())
