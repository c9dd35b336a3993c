"""What to try next, a sentence each, with what was measured to say so."""

from dataclasses import dataclass
from enum import StrEnum

from quantgate.pipelines.report.corpus_notes import TrafficRow


class Basis(StrEnum):
    """What a remedy rests on: answers of this build, exact computation from them, or nothing yet."""

    MEASURED = "measured"
    COMPUTED = "computed"
    UNTRIED = "not tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """Something to try for one variant that does not pass.

    `command` asks for it, or holds the options that do; "" for none. `is_built`: what it names passes in
    this build already. `rows` are those to begin with where it is about writing items.
    """

    basis: Basis
    text: str
    command: str = ""
    is_built: bool = False
    rows: tuple[TrafficRow, ...] = ()
