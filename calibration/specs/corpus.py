"""What a corpus is made of, as domain objects: sources, filters, mix, rendering, how much of it all."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from quantgate.calibration.redaction.options import RedactionOptions

Rendering = Literal["chat", "raw"]
Shortfall = Literal["refuse", "spread"]
BrokenRows = Literal["refuse", "skip"]
Dimension = Literal["source", "language", "domain", "length"]

OTHER = "other"
"""In a mix: whatever it does not name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """Columns that hold the parts of a row, `outer.inner` reaching into objects; "" takes our own names."""

    id: str = ""
    messages: str = ""
    prompt: str = ""
    response: str = ""
    text: str = ""
    tools: str = ""
    language: str = ""
    domain: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """Where rows come from: a local `path` (wildcards allowed), a `hub` dataset or an MLflow `experiment`.

    `name` is what the card calls it. `language` and `domain` hold for every row that has none of its own.
    """

    name: str
    path: Path | None = None
    hub: str = ""
    config: str | None = None
    split: str = "train"
    experiment: str = ""
    fields: Fields = Fields()
    json_columns: tuple[str, ...] = ()
    weight: str = "1"
    language: str = ""
    domain: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which rows are looked at. Characters are those of all contents together; None and () let all pass."""

    roles: tuple[str, ...] = ()
    min_characters: int = 1
    max_characters: int | None = None
    min_messages: int = 0
    max_messages: int | None = None
    languages: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthBucket:
    """Rows of `low` to below `high` characters (None: no end), and their weight as written."""

    name: str
    low: int
    high: int | None
    weight: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusMix:
    """Shares of the sequences, by value. Weights are decimal numbers as written, so that they stay exact."""

    language: dict[str, str] = field(default_factory=dict)
    domain: dict[str, str] = field(default_factory=dict)
    length: tuple[LengthBucket, ...] = ()
    by_source: bool = False
    shortfall: Shortfall = "refuse"

    @property
    def needs_language(self) -> bool:
        """Whether every row's language has to be known."""
        return bool(self.language)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusSpec:
    """What a corpus is made of. At least one of `sequences` and `tokens` says how much.

    With both, whichever is reached first ends it. `tokenizer` (a folder or `org/name@revision`) counts
    tokens.
    """

    name: str
    description: str
    licence: str
    sources: tuple[SourceSpec, ...]
    sequences: int | None
    seed: int
    tokens: int | None = None
    tokenizer: str | None = None
    filters: Filters = Filters()
    mix: CorpusMix = CorpusMix()
    rendering: Rendering = "chat"
    redaction: RedactionOptions = field(default_factory=RedactionOptions)
    broken_rows: BrokenRows = "refuse"
    folder: Path = Path()
