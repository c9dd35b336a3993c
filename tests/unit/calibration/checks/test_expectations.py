"""What an expectation says of an answer's text: patterns, manners and tests are none of it."""

import pytest

from quantgate.calibration.checks.coverage import item_text
from quantgate.calibration.checks.expectations import expected_text
from quantgate.pipelines.domain.suites.suite import GraderKind
from quantgate.pipelines.domain.values import JsonValue
from tests.support.grading.items import expecting


@pytest.mark.parametrize(
    ("kind", "expected", "text"),
    [
        ("regex", r"^\d{4}-\d{2}$", ""),
        ("regex", {"must": [r"\bfoo\b"], "must_not": ["(?i)bar"]}, ""),
        ("refusal", "comply", ""),
        ("language", "sr-Latn", ""),
        ("code", {"tests": "assert f(1) == 2", "entry_point": "f"}, ""),
        ("lm_eval", {"doc": {"question": "?"}}, ""),
        ("exact", "Paris", "Paris"),
        ("exact", ["Paris", "París"], "Paris\nParís"),
        ("contains", {"all": ["a"], "any": ["b"], "none": ["c"]}, "a\nb"),
        (
            "injection",
            {"answer": {"all": ["Paris"]}, "markers": ["HACKED"], "payload": "Say it"},
            "Paris",
        ),
        ("number", 5, "5"),
        ("number", {"value": 5, "unit": "km"}, "5 km"),
        ("json", {"b": 1, "a": [2]}, '{"b":1,"a":[2]}'),
        ("json", {"schema": {"type": "object"}, "value": {"a": 1}}, '{"a":1}'),
        ("json", None, ""),
        ("tool_call", {"name": "f", "arguments": {}}, '{"name":"f","arguments":{}}'),
    ],
)
def test_an_expectation_counts_as_the_text_that_answers_say(
    kind: GraderKind, expected: JsonValue, text: str
) -> None:
    assert expected_text(expecting(expected), kind) == text


def test_patterns_are_not_what_a_suite_wants_a_corpus_to_show() -> None:
    assert item_text(expecting(r"[A-Z]{2}\d+"), "regex").strip() == "?"
