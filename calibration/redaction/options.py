"""What redaction looks for, what it does with it, and what it reports: no personal data stands in here."""

from dataclasses import dataclass
from typing import Literal

RedactionMode = Literal["off", "report", "enforce"]
ReplacementStyle = Literal["placeholder", "surrogate"]

DEFAULT_ENTITIES = (
    "EMAIL_ADDRESS",
    "PHONE_NUMBER",
    "CREDIT_CARD",
    "IBAN_CODE",
    "IP_ADDRESS",
    "MAC_ADDRESS",
    "CRYPTO",
)
"""Looked for without being named. Ids of a country come with `countries`, names with `ner_model`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionOptions:
    """How a corpus is redacted.

    `mode` `report` leaves every text as it is, `enforce` replaces what was found. `entities` are presidio's
    names, the default ones where empty. `languages` (ISO 639-1) say whose words around a number count as
    context (`Telefon`, `tarjeta`). `countries` (ISO 3166-1 alpha-2, lower case) say whose national ids are
    looked for and whose national phone formats are understood. Findings below `threshold` (0 to 1) are
    dropped. `ner_model` is an installed spaCy model or a folder that holds one; names of people and places
    are found with it alone.
    """

    mode: RedactionMode = "off"
    entities: tuple[str, ...] = ()
    languages: tuple[str, ...] = ("en",)
    countries: tuple[str, ...] = ()
    threshold: float = 0.4
    replacement: ReplacementStyle = "placeholder"
    ner_model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityCount:
    """How often one entity was found in the rows of one source, and in how many of them."""

    entity: str
    source: str
    found: int
    sequences: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityPlace:
    """Where something was found: characters `start` to `end` of a part such as `messages[0].content`."""

    entity: str
    sequence_id: str
    source: str
    part: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionReport:
    """What was found, without any of it. `detector` names the packages and their versions.

    `names_looked_for` says whether a model looked for names of people and places; patterns cannot.
    """

    options: RedactionOptions
    detector: str
    names_looked_for: bool
    sequences: int
    sequences_with_findings: int
    counts: tuple[EntityCount, ...]
    examples: tuple[EntityPlace, ...]

    @property
    def finding_count(self) -> int:
        """How many findings there are in all."""
        return sum(count.found for count in self.counts)
