"""What is shown, described once: sentences and tables, each with its plain lines for pipes and logs.

`flows.cli.views.rendering` shows them: as tables and colours on a terminal, as plain lines elsewhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Styled:
    """A stretch of text with the style that a terminal gives it."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A line of its own. `plain` is how it reads where nothing is coloured."""

    plain: str
    styled: tuple[Styled, ...]

    @classmethod
    def of(cls, text: str, style: str = "") -> "Sentence":
        """Return a sentence that reads the same everywhere."""
        return cls(plain=text, styled=(Styled(text, style),))


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above a column, and at which side its cells line up."""

    text: str
    align: Literal["left", "right"] = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRow:
    """The cells of a row, and the line that says the same."""

    cells: tuple[Styled, ...]
    plain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableBlock:
    """A table under a title. On a terminal one without rows is left out, and `framed` ones have lines."""

    title: str
    headings: tuple[Heading, ...]
    rows: tuple[BlockRow, ...]
    framed: bool = True


Block: TypeAlias = Sentence | TableBlock


def row(cells: Iterable[str], plain: str) -> BlockRow:
    """Return a row without colours."""
    return BlockRow(cells=tuple(Styled(cell) for cell in cells), plain=plain)
