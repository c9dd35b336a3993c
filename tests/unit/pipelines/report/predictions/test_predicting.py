"""Breaks foretold: the model, what a recipe's divergence is taken from, and how predictions are scored."""

import random
from math import exp, log

import pytest

from quantgate.pipelines.domain.prediction import ItemChance, Prediction
from quantgate.pipelines.report.predictions.breaking import PRIOR, BreakModel, SeenAnswer, fitted
from quantgate.pipelines.report.predictions.divergence import SeenDivergence, expected_divergence
from quantgate.pipelines.report.predictions.predicted import Learned, predicted
from quantgate.pipelines.report.predictions.scoring import Foretold, score


def drawn(model: BreakModel, count: int, *, seed: int = 1) -> list[SeenAnswer]:
    source = random.Random(seed)
    answers = []
    for _ in range(count):
        margin, divergence = source.expovariate(0.3), 10 ** source.uniform(-4, 0)
        (chance,) = model.chances([margin], divergence)
        answers.append(
            SeenAnswer(margin=margin, divergence=divergence, broke=source.random() < chance)
        )
    return answers


def said(chances: dict[str, float]) -> Prediction:
    items = tuple(ItemChance(item_id=name, margin=1.0, chance=c) for name, c in chances.items())
    return Prediction(divergence=0.1, divergence_from="a test", answers=0, builds=0, items=items)


def test_before_anything_was_seen_the_prior_is_said() -> None:
    assert fitted([]) == PRIOR


def test_what_was_seen_moves_the_model_to_what_made_it() -> None:
    made_by = BreakModel(intercept=2.0, slope=-1.6, weight=0.9)
    learned = fitted(drawn(made_by, 8000))
    assert learned.slope == pytest.approx(made_by.slope, abs=0.12)
    assert learned.weight == pytest.approx(made_by.weight, abs=0.12)
    assert learned.intercept == pytest.approx(made_by.intercept, abs=0.35)


def test_a_dozen_answers_leave_the_prior_nearly_as_it_was() -> None:
    learned = fitted(drawn(BreakModel(intercept=2.0, slope=-1.6, weight=0.9), 12))
    assert abs(learned.slope - PRIOR.slope) < 0.5


def test_smaller_margins_and_larger_divergences_break_more() -> None:
    closer, surer = PRIOR.chances([0.05, 5.0], 0.05)
    (further,) = PRIOR.chances([5.0], 0.5)
    assert closer > surer
    assert further > surer
    assert all(0 < chance < 1 for chance in PRIOR.chances([0.0, 1e9], 0.0))


SEEN = [
    SeenDivergence(recipe="Q4_K_M", base_digest="a", bits_per_weight=4.8, divergence=0.004),
    SeenDivergence(recipe="Q4_K_M", base_digest="a", bits_per_weight=4.8, divergence=0.006),
    SeenDivergence(recipe="Q2_K", base_digest="b", bits_per_weight=3.0, divergence=0.5),
]


def test_a_recipe_is_expected_to_drift_as_it_did_earlier_on_this_base_first() -> None:
    expected = expected_divergence(SEEN, recipe="Q4_K_M", base_digest="a", bits_per_weight=4.8)
    assert expected.divergence == 0.005
    assert expected.taken_from == "Q4_K_M in 2 earlier builds of this base"
    other = expected_divergence(SEEN, recipe="Q2_K", base_digest="a", bits_per_weight=3.0)
    assert other.divergence == 0.5
    assert other.taken_from == "Q2_K in 1 earlier build of other bases"


def test_a_recipe_that_was_never_built_is_placed_by_its_bits_beside_others() -> None:
    expected = expected_divergence(SEEN, recipe="Q3_K_M", base_digest="a", bits_per_weight=3.8)
    assert expected.divergence == pytest.approx(exp(log(0.004 * 0.006) / 2) * 4)
    assert "of this base" in expected.taken_from
    nothing = expected_divergence([], recipe="Q4_K_M", base_digest="a", bits_per_weight=4.0)
    assert "bundled example" in nothing.taken_from


def test_the_score_is_brier_s_against_each_variants_own_break_rate() -> None:
    """Two of four break: the base rate's score is 0.25; (0.9, 0.6, 0.4, 0.1) against (1, 0, 1, 0)."""
    foretold = Foretold(
        prediction=said({"a": 0.9, "b": 0.6, "c": 0.4, "d": 0.1, "unasked": 0.5}),
        broke={"a": True, "b": False, "c": True, "d": False},
    )
    scored = score([foretold])
    assert scored is not None
    assert scored.items == 4
    assert scored.brier == pytest.approx((0.01 + 0.36 + 0.36 + 0.01) / 4)
    assert scored.base_rate_brier == 0.25
    assert scored.skill == pytest.approx(1 - 0.185 / 0.25)
    assert (scored.hits, scored.hits_by_chance) == (1, 1.0)
    assert scored.ranked == 0.75
    assert [(each.items, each.broke) for each in scored.bins] == [(1, 0), (1, 1), (1, 0), (1, 1)]


def test_a_prediction_that_knows_no_item_is_no_better_than_the_base_rate() -> None:
    same = Foretold(
        prediction=said(dict.fromkeys("abcd", 0.5)),
        broke={"a": True, "b": False, "c": True, "d": False},
    )
    scored = score([same])
    assert scored is not None
    assert scored.skill == 0.0
    assert scored.ranked == 0.5
    assert score([]) is None


def test_items_are_said_the_likeliest_first() -> None:
    expected = expected_divergence([], recipe="Q2_K", base_digest="a", bits_per_weight=2.6)
    prediction = predicted({"sure": 8.0, "close": 0.1}, expected, Learned())
    assert [item.item_id for item in prediction.items] == ["close", "sure"]
    assert (prediction.answers, prediction.builds) == (0, 0)
