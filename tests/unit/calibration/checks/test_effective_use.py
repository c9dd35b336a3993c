"""What a recipe takes of a corpus, worked out before anything is built (the tools: tests/integration)."""

from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.calibration.checks.effective_use import (
    Supply,
    calibrated,
    effective_use,
    no_supply,
    supply_of,
)
from quantgate.calibration.shelf.assemble import build_corpus
from quantgate.calibration.shelf.tokens import calibration_tokens
from quantgate.calibration.specs.corpus_file import load_corpus_spec
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.specs.recipes import find_recipes
from tests.support.models.checkpoints import write_checkpoint

SUPPLY = Supply(
    available=100,
    read=52,
    sequences=50,
    tokens=10_300,
    too_short=2,
    truncated=3,
    longest_tokens=512,
)


def recipe(name: str) -> Recipe:
    (found,) = find_recipes((name,), Path())
    return found


@pytest.mark.parametrize("name", ["Q4_K_M--imatrix", "NVFP4", "W4A16--gptq", "GPTQ--autogptq"])
def test_most_backends_take_every_token_of_every_sequence(name: str) -> None:
    use = effective_use(recipe(name), SUPPLY)
    assert (use.sequences, use.tokens, use.dropped_tokens, use.problem) == (50, 10_300, 0, None)


def test_autoawq_takes_whole_blocks_and_drops_the_rest() -> None:
    use = effective_use(recipe("AWQ--autoawq"), SUPPLY)
    assert (use.sequences, use.tokens, use.dropped_tokens) == (20, 10_240, 60)
    assert use.note is not None and "drops the last 60 tokens" in use.note
    less = effective_use(recipe("AWQ--autoawq"), replace(SUPPLY, tokens=300, sequences=3))
    assert (less.sequences, less.tokens) == (1, 300)  # the block is no longer than all there is


def test_a_recipe_that_is_not_calibrated_takes_nothing_and_is_not_asked() -> None:
    plain = recipe("Q8_0")
    assert effective_use(plain, SUPPLY).tokens == 0
    assert calibrated((plain, recipe("NVFP4"))) == (recipe("NVFP4"),)


def test_a_recipe_that_gets_nothing_is_a_problem_and_one_that_gets_little_is_told_so() -> None:
    corpus = Corpus(name="c", version=1, digest="0" * 64, sequence_count=9, folder=Path())  # type: ignore[arg-type]  # any text will do
    nothing = effective_use(recipe("NVFP4"), no_supply(corpus))
    assert nothing.problem == "no sequence has two tokens or more"
    asked = recipe("NVFP4").calibration_tokens
    little = effective_use(
        recipe("NVFP4"), replace(SUPPLY, tokens=asked // 2 - 1, truncated=0, too_short=0)
    )
    assert (
        little.problem is None
        and little.note
        and f"of the {asked:,} tokens it wants" in little.note
    )
    enough = effective_use(
        recipe("NVFP4"), replace(SUPPLY, tokens=asked // 2, truncated=0, too_short=0)
    )
    assert enough.note is None


def test_what_is_cut_and_left_out_is_told() -> None:
    note = effective_use(recipe("NVFP4"), replace(SUPPLY, tokens=10**6)).note
    assert note == (
        "3 of 52 sequences are cut to 512 tokens; 2 sequences of less than two tokens are left out"
    )


def test_the_supply_is_read_from_the_tokens_that_a_build_will_read(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text(
        "\n".join(["a", "b " * 400, "some words here", "and more of them"])
    )
    (tmp_path / "c.yaml").write_text("name: c\nsequences: 4\nsources: [{path: t.txt}]\n")
    corpus = build_corpus(load_corpus_spec(tmp_path / "c.yaml"), Store(root=tmp_path / "store"))
    chat = ChatFormat.of(write_checkpoint(tmp_path / "model"))
    tokens = calibration_tokens(
        corpus, chat, context_length_tokens=64, target_tokens=10**6, folder=tmp_path / "scratch"
    )
    supply = supply_of(corpus, tokens)
    assert (supply.available, supply.read, supply.longest_tokens) == (4, 4, 64)
    assert supply.sequences == 4 - supply.too_short
    assert supply.truncated == 1
    assert supply.tokens == tokens.token_count > 64
