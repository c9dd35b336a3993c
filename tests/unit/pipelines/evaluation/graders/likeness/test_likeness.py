"""chrF and ROUGE score likeness; hand-computed values, other scripts, and texts too long to compare."""

import time

import pytest

from quantgate.pipelines.domain.values import JsonValue
from tests.support.grading.items import expecting, pure_grader

CAT = "the cat sat on the mat"
OTHER = "the cat was on the mat"


@pytest.mark.parametrize(
    ("options", "reference", "answer", "score"),
    [
        ({"characters": 1}, "abc", "ab", 5 * 1 * (2 / 3) / (4 * 1 + 2 / 3)),
        ({"characters": 1, "beta": 1}, "abc", "ab", 2 * (2 / 3) / (1 + 2 / 3)),
        ({"characters": 1}, "abc", "a b c", 1.0),
        ({}, "Guten Morgen", "Guten Morgen", 1.0),
        ({"words": 2}, "Guten Morgen", "Guten Morgen", 1.0),
        ({}, "Guten Morgen", "xyz", 0.0),
        ({}, "Привет, мир", "Привет, мир", 1.0),
        ({}, ["no", "Guten Tag"], "Guten Tag", 1.0),
    ],
)
def test_chrf_is_the_f_score_of_character_n_grams(
    options: dict[str, JsonValue], reference: JsonValue, answer: str, score: float
) -> None:
    grade = pure_grader("chrf", **options).grade(answer, expecting(reference))

    assert grade.score == pytest.approx(score, abs=1e-9)
    assert grade.correct is (score >= 0.5)


@pytest.mark.parametrize(
    ("options", "reference", "answer", "score"),
    [
        ({"measure": "rouge1"}, CAT, OTHER, 5 / 6),
        ({"measure": "rouge2"}, CAT, OTHER, 3 / 5),
        ({}, CAT, OTHER, 5 / 6),
        ({}, CAT, "mat the on sat cat the", 3 / 6),
        ({"statistic": "precision"}, CAT, "the cat", 1.0),
        ({"statistic": "recall"}, CAT, "the cat", 2 / 6),
        ({"measure": "rougeLsum"}, "a b\nc d", "c d\na b", 1.0),
        ({"stem": True}, "he was running fast", "he was run fast", 1.0),
        ({"stem": False}, "he was running fast", "he was run fast", 3 / 4),
        ({}, "Кошка спит", "Кошка ест", 1 / 2),
        ({}, ["no", CAT], CAT.upper(), 1.0),
    ],
)
def test_rouge_is_the_overlap_of_words(
    options: dict[str, JsonValue], reference: JsonValue, answer: str, score: float
) -> None:
    grade = pure_grader("rouge", **options).grade(answer, expecting(reference))

    assert grade.score == pytest.approx(score, abs=1e-9)


@pytest.mark.parametrize("kind", ["chrf", "rouge"])
def test_the_threshold_decides_and_the_reason_says_the_score(kind: str) -> None:
    lenient = pure_grader(kind, threshold=0.4).grade(OTHER, expecting(CAT))
    strict = pure_grader(kind, threshold=0.99).grade(OTHER, expecting(CAT))

    assert (lenient.correct, strict.correct) == (True, False)
    assert lenient.score == strict.score
    assert f"{strict.score:.3f}, below 0.99" in strict.reason


@pytest.mark.parametrize("kind", ["chrf", "rouge"])
def test_an_answer_without_words_scores_nothing_even_at_threshold_one(kind: str) -> None:
    for text in ("", " \n", "<think>the cat sat on the mat", "\x00"):
        assert pure_grader(kind).grade(text, expecting(CAT)).score == 0.0


@pytest.mark.parametrize("kind", ["chrf", "rouge"])
def test_texts_of_any_kind_and_length_are_graded_in_bounded_time(kind: str) -> None:
    started = time.process_time()
    grade = pure_grader(kind).grade("the cat \ud800 " * 100_000, expecting("the dog sat. " * 3000))

    assert "only its first 20000 characters" in grade.reason
    assert time.process_time() - started < 20
    grade.canonical.encode()


@pytest.mark.parametrize("kind", ["chrf", "rouge"])
@pytest.mark.parametrize("expected", ["", [], 5, None, ["a", ""]])
def test_an_expectation_without_text_is_a_problem(kind: str, expected: JsonValue) -> None:
    grader = pure_grader(kind)

    assert grader.problem(expecting(expected))
    assert not grader.grade("a", expecting(expected)).correct
    assert grader.problem(expecting("a")) is None


def test_a_reference_without_words_has_no_rouge() -> None:
    assert pure_grader("rouge").problem(expecting(["a", "?!"])) == "'?!' has no words"
