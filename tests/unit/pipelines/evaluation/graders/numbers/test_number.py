"""Numbers: however they are written, with their unit, and with what is wrong named by its magnitude."""

# ruff: noqa: RUF001 - the characters are what texts are written in

import time

import pytest

from quantgate.pipelines.domain.values import JsonValue
from tests.support.grading.items import expecting, pure_grader

NUMBER = pure_grader("number")


def facets(text: str, expected: object, **options: object) -> dict[str, float]:
    grade = pure_grader("number", **options).grade(text, expecting(expected))  # type: ignore[arg-type]
    return {facet.name: facet.score for facet in grade.facets}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234.50", 1234.5),
        ("1.234,50", 1234.5),
        ("1,234", 1234),
        ("1.234", 1.234),
        ("0,125", 0.125),
        ("1,5", 1.5),
        ("1,234,567", 1234567),
        ("12,34,567", 1234567),
        ("1 234 567", 1234567),
        ("1\u202f234", 1234),
        ("1'234.5", 1234.5),
        ("1_000", 1000),
        ("2.5e3", 2500),
        ("3 × 10^4", 30000),
        ("2.5×10⁻³", 0.0025),
        ("3/4", 0.75),
        ("1 3/4", 1.75),
        ("½", 0.5),
        (r"\frac{3}{4}", 0.75),
        ("5k", 5000),
        ("$3M", 3_000_000),
        ("3.2 million dollars", 3_200_000),
        ("1,5 Mio. Euro", 1_500_000),
        ("3万", 30000),
        ("2億円", 200_000_000),
        ("5 लाख", 500_000),
        ("১,১৪,২০০ টাকা", 114_200),
        ("๑๘ บาท", 18),
        ("౧౮", 18),
        ("٣٫٥", 3.5),
        ("−5", -5),
        ("-$5.50", -5.5),
        ("$-5", -5),
        ("12 %", 12),
        ("12 %", 0.12),
        ("**18** dollars", 18),
        ("18美元每天", 18),
        (r"\$1{,}450{,}000", 1_450_000),
    ],
)
def test_a_number_is_read_however_it_is_written(text: str, value: float) -> None:
    graded = NUMBER.grade(text, expecting(value))

    assert graded.correct, graded.reason


@pytest.mark.parametrize(
    "text",
    ["H2O", "12:30", "2024-01-05", "3/4/2024", "1.2.3", "GPT-x4", "", "none", "1/0", "9" * 500],
)
def test_what_only_looks_like_a_number_is_none(text: str) -> None:
    graded = NUMBER.grade(text, expecting(2))

    assert not graded.correct
    assert graded.reason.startswith("there is no number")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("19", "19 instead of 18"),
        ("180", "180 instead of 18: off by a factor of 10^1"),
        ("18,000", "18000 instead of 18: off by a factor of 10^3"),
        ("0.018", "0.018 instead of 18: off by a factor of 10^-3"),
        ("-18", "-18 instead of 18: the sign is wrong"),
        ("-4", "-4 instead of 18: value and sign are wrong"),
        ("7000", "7000 instead of 18: another order of magnitude (about 10^2.6)"),
        ("0", "0 instead of 18"),
    ],
)
def test_the_reason_says_how_a_number_is_wrong(text: str, reason: str) -> None:
    assert NUMBER.grade(text, expecting(18)).reason == reason


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5000 m", "5 km"),
        ("5 km", "5000 m"),
        ("3 miles", "15840 feet"),
        ("2 h 30 min", "150 minutes"),
        ("5 ft 3 in", "63 inches"),
        ("1 GB", "1000 MB"),
        ("1 GiB", "1024 MiB"),
        ("8 bit", "1 byte"),
        ("77 °F", "25 °C"),
        ("36 km/h", "10 m/s"),
        ("1 kg", "1000 Gramm"),
        ("$8,803.15", "$8,803.15"),
        ("2 680.00 USD", "$2 680.00"),
        ("5 apples", "5 apples"),
        ("5 apple", {"value": 5, "unit": "apples"}),
        ("1 Stunde", "60 min"),
        ("60 минут", "1 h"),
    ],
)
def test_units_of_one_dimension_convert_exactly(text: str, expected: object) -> None:
    graded = NUMBER.grade(text, expecting(expected))  # type: ignore[arg-type]

    assert graded.correct, graded.reason


@pytest.mark.parametrize(
    ("text", "expected", "reason"),
    [
        ("5", "5 km", "the unit 'km' is missing"),
        ("5 times", "5 km", "the unit 'km' is missing"),
        ("5 in total", "5 km", "the unit 'km' is missing"),
        ("5 kg", "5 km", "unit 'kg' instead of 'km'"),
        ("5 m", "5 km", "0.005 instead of 5: off by a factor of 10^-3"),
        ("5 miles", "5 km", "8.04672 instead of 5"),
        ("1 GiB", "1000 MB", "1073.741824 instead of 1000"),
        ("5 MB", "5 Mbit", "40 instead of 5"),
        ("$5", "5 EUR", "unit '$' instead of 'EUR'"),
        ("5 pears", "5 apples", "unit 'pears' instead of 'apple'"),
    ],
)
def test_a_missing_or_other_unit_is_wrong(text: str, expected: str, reason: str) -> None:
    graded = NUMBER.grade(text, expecting(expected))

    assert not graded.correct
    assert graded.reason.startswith(reason)


def test_a_unit_may_be_made_optional_or_ignored() -> None:
    assert pure_grader("number", unit="optional").grade("5", expecting("5 km")).correct
    assert not pure_grader("number", unit="optional").grade("5 kg", expecting("5 km")).correct
    assert pure_grader("number", unit="ignored").grade("5 kg", expecting("5 km")).correct


def test_facets_score_value_magnitude_and_unit_apart() -> None:
    assert facets("5", "5 km") == {"value": 1, "magnitude": 1, "unit": 0}
    assert facets("5 m", "5 km") == {"value": 0, "magnitude": 0, "unit": 1}
    assert facets("6 km", "5 km") == {"value": 0, "magnitude": 1, "unit": 1}
    assert facets("6", 5) == {"value": 0, "magnitude": 1}
    assert facets("none", 5) == {"value": 0, "magnitude": 0}


@pytest.mark.parametrize(
    ("where", "text", "right"),
    [
        ("last", "16 - 3 = <<16-3=13>>13\n#### 18", True),
        ("last", "18, and #### 5", False),
        ("last", r"\boxed{18} is for 2 days", True),
        ("last", r"\boxed{x = 18}", True),
        ("last", r"\boxed{5} no, \boxed{18}", True),
        ("last", "The answer is 18. That is for 2 days.", True),
        ("last", "The answer is 5 + 13 = 18 apples, for 2 days", True),
        ("last", "The answer is 18 or 20.", False),
        ("last", "She has 3 and then 18", True),
        ("last", "1. add\n2. multiply\nThen 18", True),
        ("first", "18 of 20", True),
        ("first", "20 of 18", False),
        ("boxed", r"so $\boxed{18\text{ m}}$ of 3", True),
        ("boxed", "18", False),
        ("whole", "$18.00", True),
        ("whole", " **18** ", True),
        ("whole", "18 apples", True),
        ("whole", "it is 18", False),
        ("whole", "18 and 19", False),
    ],
)
def test_where_says_which_number_counts(where: str, text: str, right: bool) -> None:
    assert pure_grader("number", where=where).grade(text, expecting(18)).correct is right


def test_decimal_signs_are_told_or_accepted_both() -> None:
    assert not NUMBER.grade("70.000", expecting(70000)).correct
    assert pure_grader("number", decimal="comma").grade("70.000", expecting(70000)).correct
    assert pure_grader("number", decimal="comma").grade("1,234", expecting(1.234)).correct
    assert not pure_grader("number", decimal="point").grade("1,234", expecting(1.234)).correct
    either = pure_grader("number", decimal="either")
    assert either.grade("70.000", expecting(70000)).correct
    assert either.grade("70.000", expecting(70)).correct
    assert not either.grade("70.00", expecting(7000)).correct


def test_tolerances_count_as_they_are_written_and_the_edge_is_inside() -> None:
    relative = pure_grader("number", relative=0.29)
    assert relative.grade("129", expecting(100)).correct
    assert not relative.grade("129.01", expecting(100)).correct
    absolute = pure_grader("number", absolute=0.001)
    assert absolute.grade("1/3", expecting(0.3333)).correct
    assert not absolute.grade("0.33", expecting(0.3333)).correct
    assert NUMBER.grade("0.1", expecting(0.1)).correct


def test_any_of_several_numbers_is_right_and_the_nearest_explains() -> None:
    assert NUMBER.grade("20", expecting([18, 20])).correct
    assert NUMBER.grade("21", expecting([1800, 20])).reason == "21 instead of 20"


def test_equal_canonical_forms_are_the_same_answer() -> None:
    plain = {
        NUMBER.grade(text, expecting(3)).canonical for text in ("18", "18.0", "$18", "18 eggs")
    }
    lengths = {NUMBER.grade(text, expecting("1 m")).canonical for text in ("5 km", "5000 m")}

    assert plain == {"18"}
    assert lengths == {"5000 m"}
    assert NUMBER.grade("5 kg", expecting("1 m")).canonical == "5 kg"


@pytest.mark.parametrize(
    ("expected", "problem"),
    [
        ("unknown", "is not one number with its unit"),
        (True, "neither a number"),
        (None, "neither a number"),
        ([], "is empty"),
        ({"unit": "m"}, "'value' is missing"),
        ({"value": 1, "units": "m"}, "unknown key 'units'"),
        ({"value": "1 m", "unit": "m"}, "'unit' is not one text"),
        (float("nan"), "not a finite number"),
    ],
)
def test_expectations_that_can_never_be_met_are_named(expected: object, problem: str) -> None:
    assert problem in str(NUMBER.problem(expecting(expected)))  # type: ignore[arg-type]
    assert not NUMBER.grade("1", expecting(expected)).correct  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["1 " * 50_000, "1," * 50_000, "9" * 100_000, "\ud800 1", "1 1/" * 30_000, "\\boxed{" * 9_000],
)
def test_no_answer_raises_or_takes_long(text: str) -> None:
    started = time.process_time()

    assert not NUMBER.grade(text, expecting(18)).correct
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("expected", "right", "wrong"),
    [
        (-5, "The temperature is minus 5.", "The temperature is 5."),
        (5, "10 minus 5 leaves 5", "It is minus 5"),
        (1000, "That is 10^3.", "That is 10^4."),
        (0.001, "about 10⁻³", "about 10³"),
        (0.5, r"\boxed{\dfrac12}", r"\boxed{\frac13}"),
        ("20 °C", "20 degrees Celsius", "20 degrees Fahrenheit"),
        ("68 °F", "20 Grad Celsius", "68 Grad Celsius"),
    ],
)
def test_signs_powers_and_degrees_are_read_as_they_are_written(
    expected: JsonValue, right: str, wrong: str
) -> None:
    grader, item = pure_grader("number"), expecting(expected)
    assert grader.grade(right, item).correct
    assert not grader.grade(wrong, item).correct
