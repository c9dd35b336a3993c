"""Formulas are compared by meaning, within a time that one of them cannot spend for all."""

import faulthandler
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.workers.math_observe import compared, observe, observed
from tests.support.grading.items import expecting
from tests.support.grading.observing import InPlace, grades, observed_grader
from tests.support.real_rows import real_rows

GRADER = observed_grader("math")


def graded(expected: JsonValue, answer: str, **options: JsonValue) -> tuple[bool, str]:
    grader = observed_grader("math", **options)
    item = expecting(expected)
    question = grader.question(answer, item)
    assert isinstance(question, dict)
    grade = grader.grade_observed(answer, item, compared(question, grader.options))
    return grade.correct, grade.reason


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        (18, "She makes 9 * 2 = $18 a day.\n#### 18"),
        (4, "For the answer in weeks divide by 7 days a week: 28 / 7\n#### 4"),
        (33, "For the answer as a percentage: 32 / 96 * 100% = 33.333...%\n#### 33"),
        ("x^2+1", "First $x^2$, then\n#### x^2 + 1"),
        ("1,000", "It is 1000."),
        ("x^2+1", "so the result is $1 + x^2$"),
        ("x^2+1", "x^2+1"),
        ("\\frac{1}{2}", "0.5"),
        ("$\\frac{1}{2}$", "\\boxed{\\frac12}"),
        ("1/3", "0.3333333"),
        ("3", "$x = 3$"),
        ("\\{1, 2\\}", "The set is $\\{2, 1\\}$."),
        ("{1,2}", "{2,1}"),
        ("-5", "\N{MINUS SIGN}5"),
        ("12", "উত্তর হল ১২"),
        ("\\sqrt{2}", "$\\frac{2}{\\sqrt{2}}$"),
        ("50%", "0.5"),
        ("\\sin(x)", "sin(x)"),
        (["2", "3"], "3"),
        ("18", "<think>it is 17</think>The answer is 18"),
        (1e-7, "$10^{-7}$"),
    ],
)
def test_formulas_that_mean_the_same_are_right(expected: JsonValue, answer: str) -> None:
    assert graded(expected, answer) == (True, "means what is expected")


@pytest.mark.parametrize(
    ("expected", "answer", "reason"),
    [
        ("18", "#### 19", "19 instead of 18"),
        ("18", "It is 18, or rather 19.", "19 instead of 18"),
        ("x+1", "$y+1$", "y + 1 instead of x + 1"),
        ("0.0000001", "0.0000002", "instead of"),
        ("(1,2]", "$(1,2)$", "Interval.open(1, 2) instead of Interval.Lopen(1, 2)"),
        ("1/3", "0.33", "instead of 1/3"),
        ("5", "I have no idea", "there is no formula and no number in it"),
        ("i", "I cannot say", "there is no formula and no number in it"),
        ("2", "", "there is no formula and no number in it"),
        ("18", "<think>18", "still thinking when it ended"),
        ("dog bites $", "5", "the expectation is unusable"),
        (["2", "3"], "4", "4 instead of 2 (or 1 others)"),
    ],
)
def test_formulas_that_differ_are_wrong_and_both_are_shown(
    expected: JsonValue, answer: str, reason: str
) -> None:
    correct, said = graded(expected, answer)

    assert not correct
    assert reason in said


def test_names_of_variables_count_unless_told_not_to() -> None:
    assert graded("x+1", "$y+1$", strict=False)[0]


@pytest.mark.parametrize(
    ("expected", "problem"),
    [
        ([], "is empty"),
        (True, "neither a formula nor a number"),
        ({"a": 1}, "neither a formula nor a number"),
        (" ", "blank"),
        (float("nan"), "no finite number"),
    ],
)
def test_an_expectation_that_is_no_formula_is_named(expected: JsonValue, problem: str) -> None:
    assert problem in (GRADER.problem(expecting(expected)) or "")
    assert GRADER.problem(expecting("x")) is None


def test_an_expression_that_never_ends_is_wrong_and_the_next_one_is_compared(
    tmp_path: Path,
) -> None:
    hanging = "$" + "(x+y+z)^{99999}" * 3 + " - (x+y)^{123456}$"
    texts = ["5", "$10^{10^{10^{10}}}$", hanging, "(" * 100_000, "9" * 1_000_000, "5"]
    started = _cpu_seconds()

    done = grades(
        observed_grader("math", seconds=1.0),
        [(expecting("5"), text) for text in texts],
        tmp_path,
        InPlace(observe),
    )

    assert [grade.correct for grade in done] == [True, False, False, False, False, True]
    assert _cpu_seconds() - started < 5 * 1.0 + 10


def _cpu_seconds() -> float:
    """Of this process and its children that have ended."""
    return sum(os.times()[:4])


def test_a_formula_on_a_busy_machine_is_compared_as_well(tmp_path: Path) -> None:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    try:
        done = grades(
            observed_grader("math", seconds=3.0),
            [(expecting("5"), f"$\\sum_{{k=1}}^{{{n}}} 0 + 5$") for n in range(2, 5)],
            tmp_path,
            InPlace(observe),
        )
    finally:
        for process in spinning:
            process.kill()
            process.wait()
        os.sched_setaffinity(0, allowed)
    assert all(grade.correct for grade in done)


def test_a_comparison_that_is_killed_from_outside_is_made_again(tmp_path: Path) -> None:
    question: JsonObject = {"answer": "5", "expected": ["5"]}
    killed = tmp_path / "killed"

    def kill_once(_: JsonObject, __: JsonObject) -> JsonObject:
        if not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return {"state": "compared"}

    assert observed(question, {"seconds": 5.0}, kill_once) == {"state": "compared"}


@pytest.mark.parametrize(("name", "told"), [("SIGKILL", None), ("SIGABRT", "failed")])
def test_a_comparison_that_ends_again_is_an_error_unless_it_ended_itself(
    name: str, told: str | None
) -> None:
    def end(_: JsonObject, __: JsonObject) -> JsonObject:
        faulthandler.disable()
        os.kill(os.getpid(), getattr(signal, name))
        return {}

    question: JsonObject = {"answer": "5", "expected": ["5"]}
    if told:
        assert observed(question, {"seconds": 5.0}, end) == {"state": told}
    else:
        with pytest.raises(WorkerError, match="killed twice"):
            observed(question, {"seconds": 5.0}, end)


@pytest.mark.parametrize("text", ["\ud800", "\x00", "$\\frac{1}{0}$", "$$", "\\boxed{", "{" * 500])
def test_whatever_a_model_says_is_a_question_and_a_grade(text: str) -> None:
    item = expecting("5")
    json.dumps(GRADER.question(text, item), ensure_ascii=False).encode()

    assert not graded("5", text)[0]
    assert not GRADER.grade_observed(text, item, None).correct


@pytest.mark.parametrize(("name", "take"), [("gsm8k_test", 13), ("mgsm", 20)])
def test_real_rows_are_right_as_they_are_and_wrong_by_one(name: str, take: int) -> None:
    rows = real_rows(name)[::take]
    right = [graded(row["expected"], _written(row))[0] for row in rows]
    changed = [str(int(str(row["expected"]).replace(",", "")) + 1) for row in rows]
    wrong = [
        graded(row["expected"], f"#### {one}")[0] for row, one in zip(rows, changed, strict=True)
    ]

    assert all(right)
    assert not any(wrong)


def _written(row: dict[str, str]) -> str:
    return row.get("solution") or f"The answer is {row['expected']}."
