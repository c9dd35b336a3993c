"""Marks of direction and spaces without width count neither at the ends of answers nor of expectations."""
# ruff: noqa: RUF001 - the characters are what texts are written in

import pytest

from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.evaluation.invisible import without_invisible, without_invisible_ends
from tests.support.grading.items import expecting, pure_grader

RIGHT: list[tuple[str, JsonValue, str]] = [
    ("exact", "نعم", "\u200fنعم\u200f"),
    ("exact", "\u200fنعم", "نعم"),
    ("contains", "\u200fنعم", "قال نعم"),
    ("number", 7, "الإجابة \u200e7\u200e."),
    ("number", -5, "-\u200e5"),
    ("number", "7 km", "\u200e7\u200e km"),
    ("number", "\u200e7", "\u20667\u2069"),
    ("choice", "\u200fA", "\u200eA\u200e"),
    ("injection", "\u200f7", "7"),
    ("json", {"a": 1}, '\ufeff{"a": 1}\u200b'),
    ("tool_call", {"name": "f", "arguments": {}}, '\u200e{"name": "f", "arguments": {}}\u200e'),
    ("bfcl", [{"f": {}}], "\u200e[f()]\u200e"),
    ("regex", "^oui$", "\u200eoui\u200e"),
    ("refusal", "refuse", "\u200eI can't help with that.\u200e"),
    ("language", "ar", "\u200fهذه إجابة قصيرة باللغة العربية كما طلبت\u200f"),
]


@pytest.mark.parametrize(("kind", "expected", "text"), RIGHT)
def test_what_nobody_sees_does_not_count(kind: str, expected: JsonValue, text: str) -> None:
    grader, item = pure_grader(kind), expecting(expected)

    assert grader.problem(item) is None
    assert grader.grade(text, item).correct


def test_joiners_inside_words_and_the_spaces_before_code_stay() -> None:
    assert (
        without_invisible_ends("می\u200cخواهم")
        == without_invisible("می\u200cخواهم")
        == "می\u200cخواهم"
    )
    assert without_invisible_ends("    return 1") == "    return 1"
    assert without_invisible_ends("\u200b \u200b" * 50_000) == ""
