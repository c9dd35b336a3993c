"""Distances and permutation tests, against scipy, exact enumeration and numbers worked out by hand."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from quantgate.calibration.drift.distances import (
    Floats,
    GroupSums,
    contributions,
    jensen_shannon,
    mean_discrepancy,
    wasserstein,
)
from quantgate.calibration.drift.features import Dense, categories, counted, octaves
from quantgate.calibration.drift.ngrams import trigrams, with_squares
from quantgate.calibration.drift.permutation import ENOUGH, Labels, group_sums, permutation_tests
from quantgate.calibration.drift.tokens import REST, WordReader, token_counts


def _sums(traffic: list[float], corpus: list[float], rows: tuple[int, int] = (1, 1)) -> GroupSums:
    return GroupSums(
        traffic=np.array([traffic]),
        corpus=np.array([corpus]),
        traffic_rows=rows[0],
        corpus_rows=rows[1],
    )


def _labels(traffic: int, corpus: int, permutations: int = 999) -> Labels:
    return Labels(traffic=np.arange(traffic + corpus) < traffic, permutations=permutations, seed=0)


def test_what_shares_nothing_is_one_bit_apart_and_equals_are_not_apart() -> None:
    assert jensen_shannon(_sums([4, 0], [0, 9]))[0] == pytest.approx(1.0)
    assert jensen_shannon(_sums([4, 2], [8, 4]))[0] == pytest.approx(0.0)


def test_jensen_shannon_is_scipys_squared_distance() -> None:
    draw = np.random.default_rng(0)
    for _ in range(20):
        one, other = draw.integers(0, 50, 30) + 0.0, draw.integers(1, 50, 30) + 0.0
        expected = jensenshannon(one, other, base=2) ** 2
        assert jensen_shannon(_sums(list(one), list(other)))[0] == pytest.approx(expected)


def test_a_new_value_of_share_s_is_about_half_s_bits() -> None:
    # entropy(0.01) - entropy(0.02) / 2 with entropies 0.080793 and 0.141441
    assert jensen_shannon(_sums([98, 2], [100, 0]))[0] == pytest.approx(0.010073, abs=1e-6)


def test_contributions_add_up_to_the_divergence() -> None:
    traffic, corpus = np.array([3.0, 0, 7, 1]), np.array([2.0, 5, 0, 1])
    whole = jensen_shannon(_sums(list(traffic), list(corpus)))[0]
    assert contributions(traffic, corpus).sum() == pytest.approx(whole)


def test_wasserstein_is_scipys_over_rounded_octaves() -> None:
    draw = np.random.default_rng(1)
    lengths = [int(n) for n in draw.lognormal(4.0, 1.0, 300)]
    features, positions = octaves(lengths)
    labels = _labels(120, 180)
    steps = np.round(np.log2(1.0 + np.array(lengths)) * 16) / 16
    expected = wasserstein_distance(steps[:120], steps[120:])
    found = wasserstein(positions)(group_sums(features, labels))[0]
    assert found == pytest.approx(expected)


def test_twice_the_length_is_one_octave() -> None:
    features, positions = octaves([15] * 10 + [31] * 10)
    assert wasserstein(positions)(group_sums(features, _labels(10, 10)))[0] == pytest.approx(1.0)


def _discrepancy_by_definition(traffic: Floats, corpus: Floats) -> float:
    """The double sums of Gretton et al. 2012, equation 3."""

    def within(rows: Floats) -> float:
        n = len(rows)
        return sum(float(rows[i] @ rows[j]) for i in range(n) for j in range(n) if i != j) / (
            n * (n - 1)
        )

    between = sum(float(a @ b) for a in traffic for b in corpus) / (len(traffic) * len(corpus))
    return within(traffic) + within(corpus) - 2.0 * between


def test_mean_discrepancy_is_the_double_sum_it_stands_for() -> None:
    rows = np.random.default_rng(2).normal(size=(17, 5))
    features = Dense(np.c_[rows, (rows**2).sum(axis=1)].astype(np.float32))
    found = mean_discrepancy(group_sums(features, _labels(7, 10)))[0]
    assert found == pytest.approx(_discrepancy_by_definition(rows[:7], rows[7:]), abs=1e-5)


def test_orthogonal_groups_have_a_discrepancy_of_two_and_equal_ones_none() -> None:
    rows = np.array([[1.0, 0.0, 1.0]] * 4 + [[0.0, 1.0, 1.0]] * 4, dtype=np.float32)
    assert mean_discrepancy(group_sums(Dense(rows), _labels(4, 4)))[0] == pytest.approx(2.0)
    alike = np.tile(rows[:1], (8, 1))
    assert mean_discrepancy(group_sums(Dense(alike), _labels(4, 4)))[0] == pytest.approx(0.0)


def test_the_p_value_is_that_of_all_labellings() -> None:
    names = ["a", "a", "a", "b", "b", "b", "b", "a"]
    features, _ = categories(names)
    observed = jensen_shannon(group_sums(features, _labels(4, 4)))[0]
    at_least = total = 0
    for chosen in combinations(range(8), 4):
        traffic = np.isin(np.arange(8), chosen)
        found = jensen_shannon(
            group_sums(features, Labels(traffic=traffic, permutations=1, seed=0))
        )[0]
        at_least += found >= observed - 1e-9
        total += 1
    exact = at_least / total
    result = permutation_tests([(features, jensen_shannon)], _labels(4, 4, 4999))[0]
    # stopped after 50 successes, the estimate's relative error is about 1 / sqrt(50)
    assert result.p_value == pytest.approx(exact, rel=0.3)


def test_a_p_value_is_never_zero_and_few_rows_cannot_have_a_small_one() -> None:
    apart, _ = categories(["a"] * 50 + ["b"] * 50)
    result = permutation_tests([(apart, jensen_shannon)], _labels(50, 50, 199))[0]
    assert result.p_value == pytest.approx(1 / 200)
    few, _ = categories(["a"] * 2 + ["b"] * 2)
    assert permutation_tests([(few, jensen_shannon)], _labels(2, 2))[0].p_value > 0.1


def test_a_test_ends_once_it_has_its_answer_and_others_go_on() -> None:
    alike, _ = categories(["a", "b"] * 50)
    apart, _ = categories(["a"] * 50 + ["b"] * 50)
    one, other = permutation_tests(
        [(alike, jensen_shannon), (apart, jensen_shannon)], _labels(50, 50, 499)
    )
    assert one.p_value >= ENOUGH / 499
    assert other.p_value == pytest.approx(1 / 500)


def test_sparse_counts_sum_as_dense_ones_do() -> None:
    draw = np.random.default_rng(3)
    rows: list[NDArray[np.int64]] = [draw.integers(0, 9, n) for n in (3, 0, 8, 5)]
    sparse, ids = counted(rows)
    dense = np.array([[int((row == one).sum()) for one in ids] for row in rows], dtype=np.float32)
    dealt = np.array([[1, 0, 1, 0], [0, 1, 1, 1]], dtype=np.float32)
    assert np.array_equal(sparse.sums(dealt), dealt @ dense)
    assert np.array_equal(sparse.total(), dense.sum(axis=0))


def test_the_rarest_tokens_count_as_one() -> None:
    rows = [np.array(row) for row in ([1, 1, 2], [1, 3], [1, 2, 9])]
    counts, ids = token_counts(rows, most=2)
    assert ids.tolist() == [REST, 1, 2]
    assert counts.total().tolist() == [2.0, 4.0, 2.0]


def test_words_are_single_digits_signs_and_characters_of_scripts_without_spaces() -> None:
    words = WordReader()
    ids = words.ids(["Order 42, please", "order 注文", ""])
    shown = [[words.shown(int(one)) for one in row] for row in ids]
    assert shown == [["order", "4", "2", ",", "please"], ["order", "注", "文"], []]


def _cosine(one: str, other: str) -> float:
    """The cosine of trigram counts, with nothing hashed."""
    counts = [
        Counter(text[i : i + 3] for i in range(len(text) - 2))
        for text in (f" {one} ", f" {other} ")
    ]
    dot = sum(counts[0][gram] * counts[1][gram] for gram in counts[0])
    norms = [sum(n * n for n in count.values()) ** 0.5 for count in counts]
    return float(dot / (norms[0] * norms[1]))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("where is my order", "where is my parcel"),
        ("where is my order", "please cancel the invoice of last month"),
        ("the same text", "the same text"),
    ],
)
def test_hashed_trigrams_keep_cosines(one: str, other: str) -> None:
    vectors = trigrams([one, other])
    assert float(vectors[0] @ vectors[1]) == pytest.approx(_cosine(one, other), abs=0.12)


def test_a_rows_vector_does_not_depend_on_its_neighbours_case_or_digits() -> None:
    alone = trigrams(["Order 1234"])
    among = trigrams(["", "another row", "order 9876", "x"])
    assert np.allclose(alone[0], among[2])
    assert not np.allclose(alone[0], among[1])


def test_parts_side_by_side_weigh_the_same() -> None:
    vectors = with_squares([trigrams(["one", "two"]), trigrams(["an answer", "an answer"])])
    assert vectors[:, -1] == pytest.approx(1.0)
    assert float(vectors[0, :-1] @ vectors[1, :-1]) >= 0.4
