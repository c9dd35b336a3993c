import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from quantgate.flows.cli.views.folding import Column, folded, show_facts

NAMES = Column(name="variant", cells=("Q4_K_M--imatrix", "IQ2_XXS--imatrix"))
COLUMNS = (
    Column(name="W/A/KV", cells=("W4/A8/KV16", "W2/A8/KV16"), importance=8),
    Column(name="size", cells=("2.31 MB", "1.18 MB"), importance=5, right=True),
    Column(name="accuracy", cells=("97.6% → 97.4%", "97.6% → 95.5%"), importance=2, right=True),
    Column(name="worst slice", cells=("injection 1/55", "long_context 3/51"), importance=4),
    Column(name="verdict", cells=("[green]✓ pass v3[/]", "[red]? inconclusive[/]"), importance=1),
)


def printed(columns: Sequence[Column], width: int) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None)
    for table in folded(NAMES, columns, width=width):
        console.print(table)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 132])
def test_nothing_is_cut_at_any_width(width: int) -> None:
    lines = printed(COLUMNS, width)
    text = "\n".join(lines)
    assert "…" not in text
    assert max(map(len, lines)) <= width
    for column in COLUMNS:
        assert column.name in text
    for cell in ("W2/A8/KV16", "1.18 MB", "97.6% → 95.5%", "long_context 3/51", "? inconclusive"):
        assert cell in text


def test_all_columns_share_one_table_where_they_fit() -> None:
    assert len(folded(NAMES, COLUMNS, width=132)) == 1


def test_the_most_important_columns_stay_in_the_first_table_in_their_order() -> None:
    first, second = folded(NAMES, COLUMNS, width=70)
    assert [column.header for column in first.columns] == [
        "variant",
        "accuracy",
        "worst slice",
        "verdict",
    ]
    assert [column.header for column in second.columns] == ["variant", "W/A/KV", "size"]


def test_a_table_of_names_alone_is_a_table() -> None:
    (table,) = folded(NAMES, (), width=80)
    assert table.row_count == 2


def test_markup_takes_no_room() -> None:
    assert COLUMNS[-1].width == len("? inconclusive")


def facts_shown(value: str, *, is_terminal: bool) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=40, color_system=None, force_terminal=is_terminal)
    show_facts((("suite", value), ("", "whole")), console, indent=7)
    return out.getvalue().splitlines()


def test_a_long_value_goes_on_below_itself_on_a_terminal_and_is_one_line_elsewhere() -> None:
    value = "the base has to get 29 items reliably right"
    assert facts_shown(value, is_terminal=False) == [f"suite  {value}", "       whole"]
    assert facts_shown(value, is_terminal=True) == [
        "suite  the base has to get 29 items",
        "       reliably right",
        "       whole",
    ]


def test_a_path_is_never_parted() -> None:
    path = "/a/folder/with/a-very-long-path/that/is/wider/than-the-terminal"
    assert facts_shown(path, is_terminal=True)[0] == f"suite  {path}"
