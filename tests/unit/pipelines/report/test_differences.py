"""Two answers side by side: differences are marked, nothing hides, nothing is lost."""

import pytest

from quantgate.pipelines.report.differences import Shown, side_by_side
from quantgate.pipelines.report.wording import percent, plural, points, probability, size, visible


def marked(shown: Shown) -> list[str]:
    return [segment.text for segment in shown.segments if segment.changed]


def text_of(shown: Shown) -> str:
    return "".join(segment.text for segment in shown.segments)


def test_a_changed_digit_is_marked_alone() -> None:
    first, second = side_by_side('{"order": 48213}', '{"order": 48513}')

    assert (marked(first), marked(second)) == (["2"], ["5"])


def test_a_changed_word_is_marked_whole() -> None:
    first, second = side_by_side("refund the order", "refuse the order")

    assert (marked(first), marked(second)) == (["refund"], ["refuse"])


@pytest.mark.parametrize(
    ("reference", "variant"),
    [
        ("", ""),
        ("", "x"),
        ("same", "same"),
        ('{"a": "Ирина"}', '{"a":"Ирина", "b": 1}'),
        ("a\nb\tc", "a b c"),
        ("👩‍👩‍👧 ok", "👩‍👧 ok"),
    ],
)
def test_segments_give_back_both_answers(reference: str, variant: str) -> None:
    first, second = side_by_side(reference, variant)

    assert (text_of(first), text_of(second)) == (reference, variant)
    assert (reference == variant) == (not marked(first) and not marked(second))


def test_long_answers_show_a_window_around_the_first_difference() -> None:
    common = "word " * 1000
    first, second = side_by_side(f"{common}right {common}", f"{common}wrong {common}")

    assert first.left_out_before == second.left_out_before == 4800
    assert len(text_of(first)) == 1200
    assert marked(first) == ["right"]
    assert first.left_out_after == 10006 - 4800 - 1200


def test_a_long_answer_beside_a_short_one_counts_what_is_left_out() -> None:
    first, second = side_by_side("short", "short" + "0" * 5000)

    assert (first.left_out_before, first.left_out_after) == (0, 0)
    assert second.left_out_after == 5005 - 1200
    assert text_of(first) == "short"


def test_invisible_and_reordering_characters_become_visible() -> None:
    assert visible("a\x00b\x1b[31m") == "a␀b␛[31m"
    assert visible("\ud800") == "⟨U+D800⟩"
    assert visible("\u202egnirts") == "⟨U+202E RIGHT-TO-LEFT OVERRIDE⟩gnirts"
    assert visible("line\nline\ttab می‌خواهم") == "line\nline\ttab می‌خواهم"
    assert visible("cr\r\n") == "cr␍\n"


def test_numbers_read_well() -> None:
    assert [size(n) for n in (0, 999, 2_214_000, 41_000_000, 999_999_999, 4_370_000_000)] == [
        "0 B",
        "999 B",
        "2.21 MB",
        "41.0 MB",
        "1.00 GB",
        "4.37 GB",
    ]
    assert [points(d) for d in (0.0, -0.0001, 0.0123, -0.166)] == [
        "0.0",
        "0.0",
        "+1.2",
        "\u221216.6",
    ]
    assert [probability(p) for p in (0.0004, 0.001, 0.0525, 1.0)] == [
        "< 0.001", "0.001", "0.052", "1.000",
    ]  # fmt: skip
    assert percent(0.0732) == "7.3 %"
    assert [plural(count, "item") for count in (0, 1, 2)] == ["0 items", "1 item", "2 items"]
