"""Which recipes are tried first: what fits, what was measured here, and what is published of formats."""

from collections.abc import Sequence
from dataclasses import replace

from quantgate.flows.build.recommending.choosing import (
    GPU_ALLOWANCE_BYTES,
    Asked,
    Recommendation,
    recommend,
)
from quantgate.flows.build.recommending.prior import ORDER, Device, Task
from quantgate.pipelines.checkpoints.glancing import glance
from quantgate.pipelines.specs.recipes import catalogue
from quantgate.registry.questions.measured import MeasuredRecipe
from tests.support.project import EXAMPLE

CHECKPOINT = glance(EXAMPLE / "checkpoint")
ROOMY = Asked(memory_bytes=10**9, context_tokens=512, device=Device.CPU)


def measured(recipe: str, verdict: str) -> MeasuredRecipe:
    return MeasuredRecipe(
        recipe=recipe,
        verdict=verdict,
        model="support-llama",
        suite="support-desk@1",
        accuracy="0.9",
        reference_accuracy="0.95",
    )


def names(recommendation: Recommendation) -> Sequence[str]:
    return [option.recipe for option in recommendation.options]


def test_every_recipe_of_the_prior_is_in_the_catalogue() -> None:
    bundled = {recipe.name for recipe in catalogue()}

    assert all(set(order) <= bundled for order in ORDER.values())


def test_the_least_loss_that_fits_comes_first() -> None:
    whole = recommend(CHECKPOINT, ROOMY, ())
    sizes = {option.recipe: option.memory.size_bytes for option in whole.options}
    tight = replace(ROOMY, memory_bytes=sizes["Q5_K_M--imatrix"])

    assert whole.first == "Q8_0"
    assert recommend(CHECKPOINT, tight, ()).first == "Q5_K_M--imatrix"


def test_where_nothing_fits_nothing_is_recommended() -> None:
    recommendation = recommend(CHECKPOINT, replace(ROOMY, memory_bytes=1), ())

    assert recommendation.first is None
    assert not any(option.fits for option in recommendation.options)


def test_what_passed_here_goes_first_and_what_failed_here_last() -> None:
    known = (measured("Q2_K", "pass"), measured("Q8_0", "fail"))

    recommendation = recommend(CHECKPOINT, ROOMY, known)

    assert recommendation.first == "Q2_K"
    assert names(recommendation)[-1] == "Q8_0"
    assert recommendation.options[0].why == (
        "passed here: support-llama on support-desk@1 (95.0% -> 90.0%)"
    )


def test_the_newest_verdict_on_a_recipe_counts() -> None:
    known = (measured("Q8_0", "pass"), measured("Q8_0", "fail"))

    assert recommend(CHECKPOINT, ROOMY, known).first == "Q8_0"


def test_too_few_bits_are_said_to_be_below_what_is_published() -> None:
    options = {o.recipe: o for o in recommend(CHECKPOINT, ROOMY, ()).options}

    assert not options["Q4_K_M--imatrix"].below_floor
    assert options["Q3_K_M--imatrix"].below_floor
    assert "judge it before anything else" in options["Q3_K_M--imatrix"].why


def test_mathematics_of_a_small_model_and_long_contexts_ask_for_eight_bits() -> None:
    mathematics = recommend(CHECKPOINT, replace(ROOMY, task=Task.MATH), ())
    long = recommend(CHECKPOINT, replace(ROOMY, context_tokens=65_536), ())

    assert mathematics.floor.bits == long.floor.bits == 8
    assert recommend(CHECKPOINT, replace(ROOMY, task=Task.CHAT), ()).floor.bits == 4


def test_cards_with_fp8_units_begin_with_fp8_and_are_given_an_allowance() -> None:
    recommendation = recommend(
        CHECKPOINT, replace(ROOMY, memory_bytes=8 * 10**9, device=Device.RTX4060), ()
    )

    assert recommendation.first == "FP8_DYNAMIC"
    assert recommendation.options[0].memory.program_bytes == GPU_ALLOWANCE_BYTES
    assert not any(name.startswith(("NVFP4", "MXFP4")) for name in names(recommendation))


def test_of_what_passed_here_the_fastest_comes_first_where_it_was_timed_on_such_a_device() -> None:
    slow = replace(measured("Q2_K", "pass"), speed_ratio="1.1", device="cpu")
    fast = replace(measured("Q8_0", "pass"), speed_ratio="1.4", device="cpu")
    untimed = measured("Q4_K_M--imatrix", "pass")

    listed = recommend(CHECKPOINT, ROOMY, (slow, fast, untimed)).options
    assert [option.recipe for option in listed[:3]] == ["Q8_0", "Q2_K", "Q4_K_M--imatrix"]
    assert listed[0].why.endswith("1.40 of its base's tokens a second on cpu")

    elsewhere = replace(fast, device="NVIDIA H200")
    listed = recommend(CHECKPOINT, ROOMY, (slow, elsewhere, untimed)).options
    assert [option.recipe for option in listed[:2]] == ["Q2_K", "Q4_K_M--imatrix"]
