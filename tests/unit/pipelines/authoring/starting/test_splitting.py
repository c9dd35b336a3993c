"""Rows become a suite and, where enough are left, traffic."""

from dataclasses import replace

from quantgate.pipelines.authoring.starting.rows import StartRow
from quantgate.pipelines.authoring.starting.slicing import proposed_slices
from quantgate.pipelines.authoring.starting.splitting import provable_items, split, unrepeated
from quantgate.pipelines.domain.suites.suite import Message


def rows(count: int, *, rare: int = 0) -> list[StartRow]:
    return [
        StartRow(
            number=number,
            messages=(Message(role="user", content=f"Please tell me about thing {number}"),),
            answer="yes",
            labels=("rare" if number <= rare else "usual",),
        )
        for number in range(1, count + 1)
    ]


def test_of_forty_rows_all_are_the_suite() -> None:
    parts = split(rows(40), proposed_slices(rows(40)), 200)
    assert (len(parts.suite), len(parts.traffic)) == (40, 0)


def test_of_many_rows_no_row_is_on_both_sides_and_small_slices_are_served_first() -> None:
    given = rows(600, rare=40)
    parts = split(given, proposed_slices(given), 100)
    suite, traffic = ({row.number for row in part} for part in (parts.suite, parts.traffic))
    assert (len(suite), len(traffic), suite & traffic) == (100, 500, set())
    rare = sum(row.labels == ("rare",) for row in parts.suite)
    assert 20 <= rare <= provable_items() == 29


def test_the_same_question_counts_once() -> None:
    asked = (Message(role="user", content="Please  tell me about thing 1!"),)
    again = StartRow(number=9, messages=asked, answer="no")
    assert unrepeated([*rows(2), again]) == tuple(rows(2))


def test_every_row_is_in_a_slice_and_names_of_slices_are_usable() -> None:
    given = [
        *rows(6),
        *(
            StartRow(
                number=number,
                messages=(Message(role="user", content=f"Invoice 4711{number}, please?"),),
                answer=None,
                labels=("all",) if number < 13 else ("a/b, c",),
            )
            for number in range(10, 16)
        ),
    ]
    slices = proposed_slices(given)
    assert {"usual", "all_items", "a_b_c", "numeric"} <= {each.name for each in slices}
    assert set().union(*(each.rows for each in slices)) == {row.number for row in given}


def test_a_label_that_is_called_as_what_is_left_over_would_be_does_not_stand_twice() -> None:
    labelled = [replace(row, labels=("general",)) for row in rows(6)]
    others = [replace(row, number=row.number + 10, labels=()) for row in rows(5)]
    slices = proposed_slices([*labelled, *others])
    assert [each.name for each in slices] == ["general", "general_rest"]
    assert slices[1].rows == {row.number for row in others}
