"""A judge's verdicts are worth what people's labels make of them: agreement, bias, corrected rates."""

import hashlib
import random
from dataclasses import replace
from math import log, sqrt

import pytest

from quantgate.pipelines.domain.run import Facet
from quantgate.pipelines.domain.suites.anchor import AnchorLabel, answer_digest
from quantgate.pipelines.domain.verdicts.judge_evidence import JudgedAnswer
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.paired.agreement import cohens_kappa, share
from quantgate.pipelines.paired.judges import MIN_LABELS, judge_evidence, judged_answers
from quantgate.pipelines.paired.prediction_powered import (
    Counts,
    corrected_rate,
    drawn_alike,
    prediction_powered,
)
from tests.support.verdicts.judging import paired_items

Rows = list[tuple[bool, bool | None]]


def judged(
    judge: bool, person: bool | None, *, characters: int = 10, reliable: bool = True, n: int = 0
) -> JudgedAnswer:
    return JudgedAnswer(
        item_id=f"i{n}",
        judge_right=judge,
        person_right=person,
        characters=characters,
        reliable=reliable,
    )


def test_kappa_and_its_error_are_those_of_the_published_example() -> None:
    """Fleiss, Levin & Paik, Statistical Methods for Rates and Proportions (2003), table 18.1."""
    found = cohens_kappa([[75, 1, 4], [5, 4, 1], [0, 0, 10]], 0.95)

    assert found is not None
    assert found.value == pytest.approx(0.68, abs=0.005)
    assert (found.interval.high - found.value) / 1.959964 == pytest.approx(0.087, abs=0.001)


def test_kappa_is_the_hand_computed_one() -> None:
    found = cohens_kappa([[20, 5], [10, 15]], 0.95)

    assert found is not None
    assert found.value == pytest.approx((0.7 - 0.5) / (1 - 0.5))


def test_the_error_of_kappa_is_that_of_its_delta_method() -> None:
    cells = [0.4, 0.1, 0.2, 0.3]

    def kappa(rates: list[float]) -> float:
        a, b, c, d = (one / sum(rates) for one in rates)
        chance = (a + b) * (a + c) + (c + d) * (b + d)
        return (a + d - chance) / (1 - chance)

    step = 1e-6
    slopes = [
        (kappa([x + step * (i == j) for j, x in enumerate(cells)]) - kappa(cells)) / step
        for i in range(4)
    ]
    mean = sum(s * c for s, c in zip(slopes, cells, strict=True))
    variance = sum(s * s * c for s, c in zip(slopes, cells, strict=True)) - mean**2
    found = cohens_kappa([[40, 10], [20, 30]], 0.95)

    assert found is not None
    half = found.interval.high - found.value
    assert half == pytest.approx(1.959964 * sqrt(variance / 100), rel=1e-4)


def test_kappa_is_nothing_where_both_always_say_the_same_word() -> None:
    assert cohens_kappa([[10, 0], [0, 0]], 0.95) is None
    assert cohens_kappa([[0, 0], [0, 0]], 0.95) is None


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(0, 10, 0.0, 0.3085), (10, 10, 0.6915, 1.0), (1, 20, 0.0013, 0.2487), (5, 10, 0.1871, 0.8129)],
)
def test_shares_have_clopper_and_pearsons_interval(
    hits: int, trials: int, low: float, high: float
) -> None:
    found = share(hits, trials, 0.95)

    assert (found.interval.low, found.interval.high) == pytest.approx((low, high), abs=5e-5)


def test_fishers_test_gives_the_tea_tasters_p() -> None:
    """Fisher, The Design of Experiments (1935): three of four cups right, two-sided 34/70."""
    verdicts = [True] * 4 + [False] * 4
    drawn = [True] * 3 + [False] + [True] + [False] * 3

    assert drawn_alike(verdicts, drawn) == pytest.approx(34 / 70)
    assert drawn_alike(verdicts, [True] * 8) == 1.0


def test_the_corrected_share_is_the_hand_computed_one() -> None:
    """With 2 of each error added: 24 labelled, Y mean 12/24, F mean 12/24, cov and weight by hand."""
    counts = Counts(yes_yes=8, yes_no=2, no_yes=2, no_no=8, unlabelled_yes=60, unlabelled=100)
    estimate, error, weight = prediction_powered(counts)
    n, total = 24, 100
    covariance = (8 / n - 0.25) * n / (n - 1)
    every = (8 + 2 + 60 + 4) / (n + total + 4)
    by_hand = covariance / ((1 + n / total) * every * (1 - every))
    labelled = (0.25 * (1 + by_hand**2) * n / (n - 1) - 2 * by_hand * covariance) / n
    there = by_hand**2 * (62 / 104) * (42 / 104) / total

    assert weight == pytest.approx(by_hand)
    assert estimate == pytest.approx(0.5 + by_hand * (0.6 - 0.5))
    assert error == pytest.approx(sqrt(labelled + there))


def test_without_unlabelled_answers_the_labels_alone_count() -> None:
    found = corrected_rate([(False, True)] * 20 + [(True, False)] * 60, confidence=0.95)

    assert found is not None
    assert (found.judged, found.corrected, found.weight) == (0.75, 0.25, 0.0)
    assert found.interval.low < 0.25 < found.interval.high
    assert found.interval.low < found.lower_bound < found.upper_bound < found.interval.high


def test_a_judge_as_good_as_people_narrows_what_few_labels_leave_open() -> None:
    labelled: Rows = [*[(True, True)] * 50, *[(False, False)] * 50]
    unlabelled: Rows = [*[(True, None)] * 1000, *[(False, None)] * 1000]
    alone = corrected_rate(labelled, confidence=0.95)
    together = corrected_rate(labelled + unlabelled, confidence=0.95)

    assert alone and together
    assert together.weight > 0.8
    width = together.interval.high - together.interval.low
    assert width < 0.55 * (alone.interval.high - alone.interval.low)


def test_a_judge_that_guesses_counts_next_to_nothing() -> None:
    rows: Rows = [*[(a, b) for a in (True, False) for b in (True, False)] * 25]
    found = corrected_rate(rows + [(True, None)] * 900 + [(False, None)] * 100, confidence=0.95)

    assert found is not None
    assert found.weight == 0.0
    assert found.corrected == 0.5


@pytest.mark.parametrize(
    ("rate", "false_yes", "false_no", "labels"),
    [
        (0.05, 0.10, 0.02, 50),
        (0.10, 0.02, 0.50, 100),
        (0.30, 0.30, 0.05, 50),
        (0.02, 0.0, 0.0, 100),
    ],
)
def test_intervals_hold_what_they_promise_where_the_judge_alone_would_be_wrong(
    rate: float, false_yes: float, false_no: float, labels: int
) -> None:
    trials, unlabelled = 3000, 300
    source = random.Random(1)
    covered = bounded = naive = 0
    for _ in range(trials):
        rows: Rows = []
        for index in range(labels + unlabelled):
            person = source.random() < rate
            flipped = source.random() < (false_no if person else false_yes)
            rows.append((person is not flipped, person if index < labels else None))
        found = corrected_rate(rows, confidence=0.95)
        assert found is not None
        covered += found.interval.low <= rate <= found.interval.high
        bounded += rate <= found.upper_bound
        alone = share(sum(judge for judge, _ in rows), len(rows), 0.95).interval
        naive += alone.low <= rate <= alone.high
    simulation_error = 3 * sqrt(0.95 * 0.05 / trials)

    assert covered / trials >= 0.95 - simulation_error
    assert bounded / trials >= 0.95 - simulation_error
    if false_yes or false_no:
        assert naive / trials < 0.75


def test_bias_in_both_directions_and_by_length_is_measured() -> None:
    answers = [judged(True, True, characters=20, n=n) for n in range(40)]
    answers += [judged(True, False, characters=2000 + n, n=100 + n) for n in range(8)]
    answers += [judged(False, False, characters=20, n=200 + n) for n in range(12)]
    answers += [judged(False, True, characters=5, n=300 + n) for n in range(2)]

    found = judge_evidence(answers, labels=70, confidence=0.95)

    assert found.false_right is not None
    assert found.false_right.value == 8 / 20
    assert found.false_wrong is not None
    assert found.false_wrong.value == 2 / 42
    assert found.agreement == 52 / 62
    assert found.stale_labels == 8
    assert found.length_bias is not None
    assert found.length_bias.interval.low > 0.5
    assert found.decision is Decision.PASS


def test_length_bias_is_the_correlation_by_hand() -> None:
    lengths = [1, 3, 7, 15] * 3
    errors = [0, 0, 1, 1] * 3
    answers = [judged(True, not e, characters=c) for c, e in zip(lengths, errors, strict=True)]
    found = judge_evidence(answers, labels=12, confidence=0.95)
    logs = [log(1 + c) for c in lengths]
    mean = sum(logs) / 12
    spread = sqrt(sum((x - mean) ** 2 for x in logs) / 12)
    among = sum(x for x, e in zip(logs, errors, strict=True) if e) / 6
    rest = sum(x for x, e in zip(logs, errors, strict=True) if not e) / 6

    assert found.length_bias is not None
    assert found.length_bias.value == pytest.approx((among - rest) / spread * 0.5)


def test_too_few_labels_are_inconclusive_and_the_number_is_said() -> None:
    answers = [judged(True, True if n < MIN_LABELS - 1 else None, n=n) for n in range(300)]

    found = judge_evidence(answers, labels=MIN_LABELS - 1, confidence=0.95)

    assert found.decision is Decision.INCONCLUSIVE
    assert found.reason.startswith("only 49 of 300 answers have a person's label; at least 50")
    none = judge_evidence([judged(True, None)], labels=0, confidence=0.95)
    assert none.decision is Decision.INCONCLUSIVE
    assert none.accuracy is None


def test_labels_on_other_items_than_those_that_count_are_inconclusive() -> None:
    answers = [judged(True, True, reliable=False, n=n) for n in range(60)]
    answers += [judged(True, None, n=n) for n in range(100)]

    found = judge_evidence(answers, labels=60, confidence=0.95)

    assert found.decision is Decision.INCONCLUSIVE
    assert "items that count for the break rate" in found.reason


def test_labels_that_somebody_chose_are_inconclusive() -> None:
    answers = [judged(True, True, n=n) for n in range(60)]
    answers += [judged(n % 2 == 0, None, n=n) for n in range(100)]

    found = judge_evidence(answers, labels=60, confidence=0.95)

    assert found.decision is Decision.INCONCLUSIVE
    assert "no random draw" in found.reason


def test_labels_bind_to_the_very_answer() -> None:
    paired = []
    for item in paired_items(both_right=2, broke=1, same=1):
        grade = replace(
            item.variant.grade, grader="judge@1", facets=(Facet(name="judge", score=1.0),)
        )
        paired.append(replace(item, variant=replace(item.variant, grade=grade)))
    first, second, *_ = paired
    labels = [
        AnchorLabel(item_id=first.item_id, answer_digest=answer_digest("yes"), right=True),
        AnchorLabel(item_id=first.item_id, answer_digest=answer_digest("yes"), right=False),
        AnchorLabel(item_id=second.item_id, answer_digest=answer_digest("another"), right=True),
    ]

    found = judged_answers(paired, labels)

    assert [one.person_right for one in found] == [False, None, None, None]
    assert [one.reliable for one in found] == [True, True, True, False]
    assert judged_answers(paired_items(both_right=2), labels) == ()


@pytest.mark.parametrize(
    ("text", "encoded"),
    [("", b""), ("é", b"\xc3\xa9"), ("\ud800 lone", rb"\ud800 lone")],
)
def test_labels_bind_to_the_sha256_of_an_answers_utf_8(text: str, encoded: bytes) -> None:
    assert answer_digest(text) == hashlib.sha256(encoded).hexdigest()
