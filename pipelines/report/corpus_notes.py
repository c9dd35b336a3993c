"""What a decision needs of a corpus: what is in it, what of it was used, what it shares with the suite."""

from dataclasses import dataclass

from quantgate.pipelines.domain.values import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusSource:
    """Where rows come from, and how many of them are in the corpus."""

    name: str
    licence: str
    rows: int
    sequences: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusUse:
    """What a recipe takes of a corpus, in tokens as its backend counts them; `note` is "" for nothing."""

    recipe: str
    backend: str
    wanted_tokens: int
    tokens: int
    sequences: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficNote:
    """A comparison with traffic: `distance` is the largest effect in units of what matters, from 1 on."""

    traffic: str
    compared_at: str
    drifted: bool
    distance: float
    moved: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusNotes:
    """One corpus. `funnel` says what became of all rows, a line and its number each.

    `copies` are sentences on items of the suite that stand in it, `lacks` on what slices test and it has not.
    """

    label: str
    digest: Digest
    description: str
    licence: str
    funnel: tuple[tuple[str, str], ...]
    sources: tuple[CorpusSource, ...]
    languages: tuple[tuple[str, int], ...]
    redaction: str
    uses: tuple[CorpusUse, ...]
    compared_items: int
    copies: tuple[str, ...]
    lacks: tuple[str, ...]
    drifts: tuple[TrafficNote, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficRow:
    """A row of traffic that an item may be written from, by its id or number, and what is asked in it.

    `text` is "" where the traffic is redacted for its corpora, as the row itself is not.
    """

    row: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsToWrite:
    """The first rows of a file to write items from, the most promising first; none where nothing fits."""

    file: str
    rows: tuple[TrafficRow, ...]
