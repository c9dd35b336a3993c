"""How facts become MLflow's tags and back: tables of tags, which write and read the facts of an object.

Tags are flat strings, so that MLflow's own pages and search (`tags.format = 'gguf'`) can use them.
"""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from enum import Enum, auto
from operator import attrgetter
from typing import Any

NONE = "none"
"""How a tag spells that there is nothing: no corpus, no unproven slice, no waiver."""

SCOPE_SINCE = "scope_since"
"""Tag: when the first evidence of the scope was recorded, in milliseconds since 1970."""
JUDGED_IN = "judged_in_run"
"""Tag: the MLflow run of the verdict."""
RETIRED = "retired"
"""Tag of a version that is out of use (`champions.decisions`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """How a kind of fact is written as a tag, and read back. `read` raises ValueError for what is none."""

    write: Callable[[Any], str]
    read: Callable[[str], Any]


def _written_number(number: float | None) -> str:
    """Write a number so that the very same one is read back, and held against what it was made from."""
    return NONE if number is None else repr(float(number))


TEXT = Spelling(write=str, read=str)
COUNT = Spelling(write=str, read=int)
NUMBER = Spelling(write=_written_number, read=float)
OPTIONAL_NUMBER = Spelling(
    write=_written_number, read=lambda text: None if text == NONE else float(text)
)
OPTIONAL_TEXT = Spelling(
    write=lambda text: text or NONE, read=lambda text: None if text == NONE else text
)
NAMES = Spelling(
    write=lambda names: ",".join(names) or NONE,
    read=lambda text: () if text == NONE else tuple(text.split(",")),
)
"""Several names, none of which has a comma."""


class Renewal(Enum):
    """What becomes of a tag when the very same thing is recorded again, with newer evidence."""

    NEVER = auto()
    PLACE = auto()
    """It says where the same bytes lie now: set anew in the run and in the version."""
    NEWEST = auto()
    """The newest evidence counts, in the version."""
    ONCE_SAID = auto()
    """The newest evidence counts where it says something; what was said once stays otherwise."""


@dataclass(frozen=True, slots=True)
class FactTag:
    """One tag of a table.

    `attribute` holds the fact (`runtime.engine`); it is the tag's name where none is given. `absent` is read
    where an object from before this tag was written lacks it. A `derived` fact follows from others, and is
    never read back. A `parameter` is one of MLflow's parameters of the run, too, which its pages compare.
    One `of_a_suite` says what a verdict on one suite found: a version that several judged has one of each.
    A `gathered` one is nothing that registries are asked for: a version has it, with others, in one tag
    (`registry.lineage_tag`); a run has each as a tag.
    """

    name: str
    attribute: str | None = None
    _: KW_ONLY
    spelling: Spelling = TEXT
    absent: str | None = None
    derived: bool = False
    parameter: bool = False
    of_a_suite: bool = False
    gathered: bool = False
    renewal: Renewal = Renewal.NEVER

    @property
    def fact(self) -> str:
        """The attribute that holds the fact."""
        return self.attribute or self.name

    def written(self, facts: object) -> str:
        """Return the tag's text for an object that has the facts."""
        return self.spelling.write(attrgetter(self.fact)(facts))

    def read(self, tags: Mapping[str, str]) -> object:
        """Read the fact.

        Raises:
            ValueError: the tag is missing, or says nothing of this kind.
        """
        text = tags.get(self.name, self.absent)
        if text is None:
            raise ValueError(f"there is no '{self.name}'")
        return self.spelling.read(text)


def waiver_tag(suite: str) -> str:
    """Return the name of the tag that holds the waiver of a version's verdict on a suite."""
    return f"waived.{suite}"


def tags_of(table: tuple[FactTag, ...], facts: object) -> dict[str, str]:
    """Return an object's facts as tags."""
    return {tag.name: tag.written(facts) for tag in table}


def facts_of(table: tuple[FactTag, ...], tags: Mapping[str, str]) -> dict[str, Any]:
    """Return facts by their attribute; those of a part (`runtime.engine`) are gathered under the part's name.

    Raises:
        ValueError: a tag is missing, or says nothing of its kind.
    """
    facts: dict[str, Any] = {}
    for tag in table:
        if not tag.derived:
            part, _, attribute = tag.fact.rpartition(".")
            held = facts.setdefault(part, {}) if part else facts
            held[attribute] = tag.read(tags)
    return facts
