"""JSON answers by aspects: whether they parse, meet a schema, and have the expected fields."""

import itertools
import json
import random
import time
from typing import Any

import pytest

from quantgate.pipelines.domain.run import Grade
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.graders.reading.matching import best_pairs
from quantgate.pipelines.evaluation.graders.structures.schemas import FORMATS, violation
from tests.support.grading.items import expecting, pure_grader

SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 0},
        "day": {"type": "string", "format": "date"},
    },
    "required": ["name"],
    "additionalProperties": False,
}
ORDER: JsonValue = {
    "id": "A-1",
    "lines": [{"sku": "x", "count": 2}, {"sku": "y", "count": 1}],
    "notes": [],
    "total": 12.5,
}


def graded(
    answer: JsonValue, expected: JsonValue, schema: JsonObject | None = None, **options: JsonValue
) -> Grade:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return pure_grader("json", **options).grade(text, expecting(expected, schema=schema))


def facets(grade: Grade) -> dict[str, float]:
    return {facet.name: round(facet.score, 3) for facet in grade.facets}


def test_an_equal_value_is_right_whatever_its_layout() -> None:
    for answer in (
        json.dumps(ORDER),
        f"```json\n{json.dumps(ORDER, indent=2)}\n```",
        json.dumps(dict(reversed(list(ORDER.items()))) if isinstance(ORDER, dict) else ORDER),
        json.dumps(ORDER).replace("2}", "2.0}"),
    ):
        grade = graded(answer, ORDER)
        assert (grade.correct, grade.score, grade.reason) == (True, 1.0, "as expected")
        assert facets(grade) == {"parses": 1.0, "fields": 1.0, "depth_1": 1.0, "depth_3+": 1.0}


def test_leaves_are_counted_by_their_depth() -> None:
    """Depth 1: id, notes, total. Depth 3: the two lines' sku and count."""
    answer: JsonValue = {
        "id": "A-2",
        "lines": [{"sku": "x", "count": 3}, {"sku": "y", "count": 1}],
        "notes": [],
        "total": 12.5,
    }
    grade = graded(answer, ORDER)
    assert not grade.correct
    assert facets(grade) == {
        "parses": 1.0,
        "fields": round(5 / 7, 3),
        "depth_1": round(2 / 3, 3),
        "depth_3+": 0.75,
    }
    assert grade.score == pytest.approx(5 / 7)
    assert grade.reason == 'wrong value at $.id: "A-2" instead of "A-1"'


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "the answer is empty"),
        ("Here you are: {}", "not JSON"),
        ('{"a": 1} {"a": 1}', "text after the JSON value"),
        ('{"a": 1, "a": 1}', "given twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": 1e999}', "out of range"),
        ('{"a": 1', "not JSON"),
        ("[" * 100_000, "nested"),
        ("\ud800", "not JSON"),
    ],
)
def test_what_is_no_strict_json_scores_nothing(answer: str, reason: str) -> None:
    grade = graded(answer, {"a": 1}, {"type": "object"})
    assert (grade.correct, grade.score) == (False, 0.0)
    assert reason in grade.reason
    assert facets(grade) == {"parses": 0.0, "schema": 0.0, "fields": 0.0, "depth_1": 0.0}


@pytest.mark.parametrize(
    ("expected", "answer", "reason"),
    [
        ({"a": 1}, {"a": "1"}, "wrong type at $.a"),
        ({"a": 1}, {"a": True}, "wrong type at $.a"),
        ({"a": None}, {}, "missing field $.a"),
        ({"a": ""}, {"a": None}, "wrong type at $.a"),
        ({"a": 1}, {"a": 1, "b": 2}, "extra field $.b"),
        ({"a": []}, {"a": {}}, "wrong type at $.a"),
        ({"a": []}, {"a": [1]}, "wrong length at $.a: 1 elements instead of 0"),
        ({"a": {}}, {"a": {"b": 1}}, "extra field $.a.b"),
        ([1, 2], [2, 1], "wrong value at $[0]: 2 instead of 1"),
        ([1, 2], [1], "wrong length at $"),
        ([1], [1, 1], "wrong length at $"),
        ({"a": "x"}, {"a": "X"}, "wrong value"),
        ({"a": "x"}, {"a": "x "}, "wrong value"),
        (5, 5.1, "wrong value"),
        ([], {}, "wrong type"),
    ],
)
def test_a_different_value_is_wrong_and_has_fewer_right_fields(
    expected: JsonValue, answer: JsonValue, reason: str
) -> None:
    grade = graded(answer, expected)
    assert not grade.correct
    assert grade.reason.startswith(reason)
    assert facets(grade)["fields"] < 1.0


def test_a_subset_may_have_more_fields_but_none_that_differ() -> None:
    assert graded({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 2}}, match="subset").correct
    assert not graded({"a": 1, "b": {"c": 3}}, {"b": {"c": 2}}, match="subset").correct
    assert not graded({"a": 1}, {"b": {"c": 2}}, match="subset").correct
    assert not graded([1, 2, 3], [1, 2], match="subset").correct, "order counts: so does length"


def test_order_counts_but_in_the_arrays_that_are_named() -> None:
    assert isinstance(ORDER, dict)
    lines = ORDER["lines"]
    assert isinstance(lines, list)
    turned: JsonValue = {**ORDER, "lines": list(reversed(lines))}
    assert not graded(turned, ORDER).correct
    assert not graded(turned, ORDER, unordered=["$.notes"]).correct
    assert graded(turned, ORDER, unordered=["$.lines"]).correct
    assert graded(turned, ORDER, unordered=["*"]).correct
    nested: JsonValue = {"o": [{"t": [1, 2]}, {"t": [3]}]}
    assert graded({"o": [{"t": [2, 1]}, {"t": [3]}]}, nested, unordered=["$.o[*].t"]).correct
    assert not graded({"o": [{"t": [3]}, {"t": [1, 2]}]}, nested, unordered=["$.o[*].t"]).correct


def test_unordered_elements_are_paired_so_that_most_is_right() -> None:
    """The found element that comes first resembles both; only the other pairing has five right leaves."""
    expected: JsonValue = [{"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 1, "c": 2}]
    answer: JsonValue = [{"a": 1, "b": 1, "c": 2}, {"a": 1, "b": 9, "c": 1}]
    grade = graded(answer, expected, unordered=["$"])
    assert facets(grade)["fields"] == round(5 / 6, 3)
    assert grade.reason == "wrong value at $[0].b: 9 instead of 1"
    short = graded([{"a": 1, "b": 1, "c": 2}], expected, unordered=["$"])
    assert facets(short)["fields"] == 0.5
    assert graded([3, 2, 1], [1, 3], unordered=["$"], match="subset").correct
    assert not graded([3, 3], [1, 3], unordered=["$"], match="subset").correct


def test_numbers_are_right_within_their_tolerance_and_no_further() -> None:
    assert graded({"x": 10.4}, {"x": 10}, absolute=0.5).correct
    assert not graded({"x": 10.6}, {"x": 10}, absolute=0.5).correct
    assert graded({"x": 1010}, {"x": 1000}, relative=0.01).correct
    assert not graded({"x": 1011}, {"x": 1000}, relative=0.01).correct
    assert not graded({"x": True}, {"x": 1}, absolute=5).correct
    assert not graded({"x": int("9" * 400)}, {"x": 1.5}, relative=0.1).correct


def test_the_schema_counts_apart_from_the_fields() -> None:
    fits: JsonValue = {"name": "Ann", "age": 3}
    assert graded(fits, fits, SCHEMA).correct
    broken = graded({"name": "Ann", "age": -3}, {"name": "Ann", "age": -3}, SCHEMA)
    assert (broken.correct, broken.score) == (False, 0.0)
    assert facets(broken) == {"parses": 1.0, "schema": 0.0, "fields": 1.0, "depth_1": 1.0}
    assert broken.reason.startswith("breaks the schema at $.age: -3 is less than")
    other = graded({"name": "Bob", "age": 3}, fits, SCHEMA)
    assert facets(other) == {"parses": 1.0, "schema": 1.0, "fields": 0.5, "depth_1": 0.5}


def test_a_schema_alone_can_be_expected() -> None:
    ways: tuple[tuple[JsonValue, JsonObject | None], ...] = (
        (None, SCHEMA),
        ({"schema": SCHEMA}, None),
    )
    for expected, schema in ways:
        assert graded({"name": "anyone"}, expected, schema).correct
        assert not graded({"age": 3}, expected, schema).correct
    both: JsonValue = {"schema": SCHEMA, "value": {"name": "Ann"}}
    assert graded({"name": "Ann"}, both).correct
    assert not graded({"name": "Bob"}, both).correct
    named: JsonValue = {"schema": "x", "value": 1}
    assert graded(named, named).correct, "a key called schema whose value is no schema is a field"


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ("date", "2024-02-29", "2023-02-29"),
        ("date", "2024-02-29", "20240229"),
        ("time", "23:59:59.5+01:00", "23:59:59"),
        ("date-time", "2024-01-31T00:00:00Z", "2024-01-31 00:00:00Z"),
        ("email", "a.b@example.org", "a@b"),
        ("ipv4", "192.0.2.1", "192.0.2.256"),
        ("ipv6", "2001:db8::1", "2001:db8::g"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000"),
    ],
)
def test_formats_are_asserted_and_can_be_left_to_say_nothing(
    form: str, good: str, bad: str
) -> None:
    schema: JsonObject = {"type": "string", "format": form}
    assert form in FORMATS
    assert graded(json.dumps(good), {"schema": schema}).correct
    assert not graded(json.dumps(bad), {"schema": schema}).correct
    assert graded(json.dumps(bad), {"schema": schema}, formats=False).correct


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "strnig"}, "not valid at $.type"),
        ({"properties": []}, "not valid"),
        ({"$ref": "#/$defs/absent"}, "which is not in it"),
        ({"$ref": "https://example.org/schema.json"}, "nothing is fetched"),
        ({"pattern": "("}, "pattern '(' is not valid"),
        ({"unevaluatedProperties": False, "patternProperties": {"a": {}}}, "cannot be bounded"),
    ],
)
def test_a_schema_that_is_none_is_a_problem(schema: JsonObject, says: str) -> None:
    item = expecting(None, schema=schema)
    problem = pure_grader("json").problem(item)
    assert problem is not None
    assert says in problem
    assert not pure_grader("json").grade("{}", item).correct


def test_an_expected_value_that_breaks_its_own_schema_is_a_problem() -> None:
    grader = pure_grader("json")
    problem = grader.problem(expecting({"name": 5}, schema=SCHEMA))
    assert (
        problem == "the expected value breaks its own schema at $.name: 5 is not of type 'string'"
    )
    assert grader.problem(expecting({"name": "Ann"}, schema=SCHEMA)) is None
    assert grader.problem(expecting({"name": "Ann", "day": "2023-02-30"}, schema=SCHEMA))


def test_patterns_cannot_hold_up_grading() -> None:
    """This one takes longer than a night in a matcher that cannot be interrupted."""
    nightmare = r"^(a|aa)+$"
    victim = "a" * 60 + "!"
    started = time.process_time()
    for schema, value in (
        ({"pattern": nightmare}, victim),
        ({"patternProperties": {nightmare: {}}}, {victim: 1}),
        ({"patternProperties": {nightmare: {}}, "additionalProperties": False}, {victim: 1}),
        ({"items": {"pattern": nightmare}}, [victim] * 1000),
    ):
        found = violation(value, schema)  # type: ignore[arg-type] # mypy joins the values to object
        assert found is not None
        assert "needs longer than" in found
    assert time.process_time() - started < 20


@pytest.mark.parametrize("amount", [0.47, 0.29, 1.1, 19.99, 1e-2, 3, 100000000000000000000.0, 0])
def test_a_multiple_is_one_of_the_number_as_it_is_written(amount: float) -> None:
    assert violation(amount, {"multipleOf": 0.01}) is None


@pytest.mark.parametrize("amount", [0.475, 1e-3, 19.999])
def test_what_is_no_multiple_is_said(amount: float) -> None:
    assert violation(amount, {"multipleOf": 0.01}) == f"$: {amount} is not a multiple of 0.01"


def test_only_numbers_are_multiples_of_anything() -> None:
    assert violation("0.475", {"multipleOf": 0.01}) is None
    assert violation(True, {"multipleOf": 2}) is None
    assert violation(1e308, {"multipleOf": 1e-308}) is None


def test_equal_elements_are_found_without_comparing_all_with_all() -> None:
    many: JsonValue = [{"n": number} for number in range(20_000)]
    started = time.process_time()
    assert violation(many, {"uniqueItems": True}) is None
    assert violation([*many, {"n": 7.0}], {"uniqueItems": True}) is not None  # type: ignore[misc]
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "answer",
    ["[" + "1," * 300_000 + "1]", '{"a": "' + "x" * 1_000_000 + '"}', '{"\ud800": 1}', "1" * 4301],
)
def test_no_answer_makes_it_raise(answer: str) -> None:
    for options in ({}, {"unordered": ["*"]}):
        grade = graded(answer, {"a": [1, 2], "b": {"c": 1}}, SCHEMA, **options)  # type: ignore[arg-type]
        assert not grade.correct
        (grade.reason + grade.canonical).encode()


def test_recursive_schemas_without_an_end_are_answers_and_not_errors() -> None:
    found = violation({"a": 1}, {"$ref": "#"})
    assert found is not None
    assert "cannot be applied" in found


def test_pairs_have_the_greatest_total_weight_of_all_pairings() -> None:
    numbers = random.Random(1)
    for rows, columns in itertools.product(range(1, 6), range(1, 6)):
        weights = [[numbers.randrange(10) for _ in range(columns)] for _ in range(rows)]
        pairs = best_pairs(weights)
        taken = [column for column in pairs if column is not None]
        assert len(taken) == len(set(taken)) == min(rows, columns)
        total = sum(weights[row][column] for row, column in enumerate(pairs) if column is not None)
        assert total == _greatest(weights)
    assert best_pairs([]) == []
    assert best_pairs([[], []]) == [None, None]


def _greatest(weights: list[list[int]]) -> int:
    wide: list[Any] = (
        weights if len(weights) <= len(weights[0]) else list(zip(*weights, strict=True))
    )
    return max(
        sum(int(row[column]) for row, column in zip(wide, chosen, strict=True))
        for chosen in itertools.permutations(range(len(wide[0])), len(wide))
    )


def test_texts_are_compared_composed_also_where_they_were_escaped() -> None:
    escaped = '{"name": "Rene\\u0301"}'
    assert pure_grader("json").grade(escaped, expecting({"name": "René"})).correct
    call = '{"name": "find", "arguments": {"name": "Rene\\u0301"}}'
    accepted: JsonObject = {"name": "find", "arguments": {"name": "René"}}
    assert pure_grader("tool_call").grade(call, expecting(accepted)).correct
