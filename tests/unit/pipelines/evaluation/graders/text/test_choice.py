"""Choices: found however a model words them, refused where it does not decide."""

import pytest

from tests.support.grading.items import expecting, pure_grader

CHOICE = pure_grader("choice")


@pytest.mark.parametrize(
    "text",
    [
        "B",
        "b",
        "(B)",
        "B.",
        "**B**",
        "B) Paris",
        "B. Paris is the capital",
        "The answer is (B).",
        "The answer is B because A is wrong.",
        "Answer: **B**",
        "**Answer:** B",
        "The correct option is **(B)**.",
        "The correct choice is letter B",
        r"\boxed{B}",
        r"The final answer is $\boxed{\text{B}}$.",
        "#### B",
        "I would go with B.",
        "Option B is right. Option A is a mammal.",
        "B is the correct answer",
        "Of the options, (B) fits.",
        "A) is too small, and C) too large.\nTherefore, the answer is B) Paris",
        "The answer is A... wait. The answer is B.",
        '{"answer": "B"}',
        "答案是B。",
        "Die Antwort ist B",
        "Respuesta: B",
        "Ответ: B",
        "คำตอบคือ B",
        "정답은 B입니다",
    ],
)
def test_the_chosen_label_is_found_in_the_ways_models_write_it(text: str) -> None:
    graded = CHOICE.grade(text, expecting("B"))

    assert graded.correct, graded.reason
    assert graded.canonical == "choice B"
    assert not CHOICE.grade(text, expecting("C")).correct


@pytest.mark.parametrize(
    "text",
    ["The answer is A or B", "Both (A) and (B)", "A) x\nB) y\nC) z", "Answer: A, B", "A\nB"],
)
def test_an_answer_that_names_several_is_ambiguous_and_wrong(text: str) -> None:
    graded = CHOICE.grade(text, expecting(["A", "B"]))

    assert not graded.correct
    assert graded.reason.startswith("ambiguous: the answer names A and B")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("A common cold", "A"),
        ("The answer is A common cold.", "A"),
        ("It is a dog", "A"),
        ("I think so", "I"),
        ("The answer is not B", "B"),
        ("(B) is wrong", "B"),
        ("Vitamin B is important", "B"),
        ("Bob", "B"),
        ("", "B"),
        ("I don't know", "I"),
    ],
)
def test_an_article_a_name_or_a_choice_ruled_out_chooses_nothing(text: str, label: str) -> None:
    graded = CHOICE.grade(text, expecting(label))

    assert not graded.correct
    assert graded.reason.startswith("no choice is named")


def test_where_says_which_of_two_declarations_counts() -> None:
    text = "The answer is A. No, the answer is B."

    assert pure_grader("choice", where="first").grade(text, expecting("A")).correct
    assert pure_grader("choice", where="last").grade(text, expecting("B")).correct
    assert not pure_grader("choice", where="whole").grade(text, expecting("B")).correct
    assert pure_grader("choice", where="whole").grade("The answer is B.", expecting("B")).correct
    assert not pure_grader("choice", where="whole").grade("B) Paris", expecting("B")).correct


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("The sentiment is Positive.", True),
        ("positive", True),
        ("It is positive, not negative", True),
        ("not positive", False),
        ("positively surprised", False),
        ("positive or negative", False),
    ],
)
def test_labels_may_be_words(text: str, right: bool) -> None:
    grader = pure_grader("choice", choices=["positive", "negative"])

    assert grader.grade(text, expecting("positive")).correct is right


def test_expectations_outside_the_choices_are_named() -> None:
    assert CHOICE.problem(expecting("AB")) == "'AB' is none of the choices A to Z"
    assert CHOICE.problem(expecting(1)) == "it is not a label or a list of labels"
    assert pure_grader("choice", choices=["x", "x"]).problem(expecting("x"))
    assert pure_grader("choice", choices=["가", "나"]).grade("정답은 나", expecting("나")).correct


@pytest.mark.parametrize("text", ["\ud800", "(" * 100_000, "answer " * 20_000, "A or " * 20_000])
def test_no_answer_raises_or_takes_long(text: str) -> None:
    assert not CHOICE.grade(text, expecting("B")).correct


@pytest.mark.parametrize(
    "text",
    [
        "<answer>B</answer>",
        "A is tempting. <answer>\n(B)\n</answer>",
        "<answer>B. Paris</answer>",
        "'B'",
    ],
)
def test_a_choice_between_tags_or_single_quotes_is_read(text: str) -> None:
    assert pure_grader("choice").grade(text, expecting("B")).correct


@pytest.mark.parametrize("text", ["<answer>A or B</answer>", "<answer>Beta</answer>", "B's own"])
def test_tags_and_quotes_make_no_choice_of_what_is_none(text: str) -> None:
    assert not pure_grader("choice").grade(text, expecting("B")).correct
