"""Plain tables keep their columns whole on terminals of any width."""

import pytest

from quantgate.flows.cli.views.plain import table_lines

ROWS = [("version", "variant", "size", "suite"), ("1 @desk", "t--Q4_K_M", "2.31 MB", "desk@1")]


def test_where_nothing_bounds_it_a_table_is_one() -> None:
    assert list(table_lines(ROWS, width=None)) == [
        "version  variant    size     suite",
        "1 @desk  t--Q4_K_M  2.31 MB  desk@1",
    ]
    assert list(table_lines(ROWS, width=35)) == list(table_lines(ROWS, width=None))


def test_columns_that_do_not_fit_stand_below_beside_the_rows_name() -> None:
    assert list(table_lines(ROWS, width=30)) == [
        "version  variant    size",
        "1 @desk  t--Q4_K_M  2.31 MB",
        "",
        "version  suite",
        "1 @desk  desk@1",
    ]


@pytest.mark.parametrize("width", [1, 9])
def test_a_column_wider_than_the_terminal_stays_whole(width: int) -> None:
    lines = list(table_lines(ROWS, width=width))
    assert "1 @desk  t--Q4_K_M" in lines and lines.count("") == 2
