"""The data card of a corpus: what is in it, where it comes from, what was dropped and why.

It holds nothing of the machine or the moment: the same spec on the same sources gives the same bytes.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from quantgate.calibration.drawing.building import Drawn
from quantgate.calibration.drawing.mixing import Shares, bucket_of, shares_of
from quantgate.calibration.redaction.options import RedactionReport
from quantgate.calibration.sources.local import LocalSource
from quantgate.calibration.specs.corpus import CorpusMix, CorpusSpec, Dimension
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.values import Digest

CARD = "card.json"
CARD_PAGE = "card.md"

_BUCKETS = (0, 100, 300, 1000, 3000, 10_000, 30_000)
_UNSAID = "unsaid"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file of a source: its name within it, its bytes and their sha256."""

    label: str
    size_bytes: int
    sha256: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCard:
    """One source. `revision` and `commit` are a hub's; `dropped` counts rows by reason, before the draw."""

    name: str
    licence: str
    rows: int
    sequences: int
    dropped: dict[str, int]
    files: tuple[SourceFile, ...] = ()
    revision: str = ""
    commit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a number is spread over sequences: the smallest, median, 95th percentile, largest, and sum."""

    smallest: int
    median: int
    percentile_95: int
    largest: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStatistics:
    """Tokens of all sequences; `tokenizer` is the digest of what counts them and of its chat template."""

    tokenizer: Digest
    tokens: Spread
    characters_per_token: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MixRow:
    """One value of a mix: the share asked for, the sequences that it has, the rows that sources had of it.

    `available` counts rows that passed the filters, equal ones as often as they stand there.
    """

    dimension: Dimension
    value: str
    share: float
    sequences: int
    available: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCard:
    """A corpus's data card. Counts are of sequences but for `rows`, `dropped` and what follows from them.

    Of `rows`, some were `dropped` by reason; of those left, `duplicates` equal another one. `left_over` are
    the others that were not drawn, `same_after_redaction` those drawn that redaction made equal to another.
    """

    name: str
    description: str
    licence: str
    digest: Digest
    rendering: str
    seed: int
    sequences: int
    rows: int
    dropped: dict[str, int]
    duplicates: int
    left_over: int
    same_after_redaction: int
    sources: tuple[SourceCard, ...]
    languages: dict[str, int]
    domains: dict[str, int]
    lengths: dict[str, int]
    licences: dict[str, int]
    characters: Spread
    mix: tuple[MixRow, ...] = ()
    tokens: TokenStatistics | None = None
    redaction: RedactionReport | None = None


def make_card(
    spec: CorpusSpec,
    sources: Sequence[LocalSource],
    drawn: Drawn,
    *,
    digest: Digest,
    tokens: TokenStatistics | None,
) -> DataCard:
    """Return the card of what was drawn."""
    scanned, sequences = drawn.scanned, drawn.sequences
    dropped: Counter[str] = Counter()
    for counts in scanned.dropped.values():
        dropped += Counter(counts)
    by_source = Counter(sequence.source for sequence in sequences)
    licences = {source.name: source.licence or spec.licence or _UNSAID for source in spec.sources}
    return DataCard(
        name=spec.name,
        description=spec.description,
        licence=spec.licence,
        digest=digest,
        rendering=spec.rendering,
        seed=spec.seed,
        sequences=len(sequences),
        rows=sum(scanned.rows.values()),
        dropped=dict(sorted(dropped.items())),
        duplicates=scanned.passed - scanned.distinct,
        left_over=scanned.distinct - len(sequences) - drawn.same_after_redaction,
        same_after_redaction=drawn.same_after_redaction,
        sources=_source_cards(spec, sources, drawn, licences, by_source),
        languages=_counts(sequence.language or "und" for sequence in sequences),
        domains=_counts(sequence.domain or _UNSAID for sequence in sequences),
        lengths=length_counts(sequences),
        licences=_counts(licences[sequence.source] for sequence in sequences),
        characters=spread([characters_of(sequence) for sequence in sequences]),
        mix=mix_rows(spec, drawn),
        tokens=tokens,
        redaction=drawn.redaction,
    )


def characters_of(sequence: CorpusSequence) -> int:
    """Return the characters of all its contents."""
    return len(sequence.text) + sum(len(message.content) for message in sequence.messages)


def length_counts(sequences: Iterable[CorpusSequence]) -> dict[str, int]:
    """Count sequences by length in characters, in ranges that are the same for every corpus."""
    counts: Counter[int] = Counter(
        max(i for i, low in enumerate(_BUCKETS) if low <= characters_of(sequence))
        for sequence in sequences
    )
    ends = [*(str(high) for high in _BUCKETS[1:]), ""]
    return {
        f"{low}-{end}": counts[i]
        for i, (low, end) in enumerate(zip(_BUCKETS, ends, strict=True))
        if counts[i]
    }


def spread(numbers: Sequence[int]) -> Spread:
    """Return how numbers are spread; percentiles are values of the sequence (nearest rank)."""
    ranked = sorted(numbers) or [0]
    last = len(ranked) - 1
    return Spread(
        smallest=ranked[0],
        median=ranked[last // 2],
        percentile_95=ranked[-(-len(ranked) * 95 // 100) - 1],
        largest=ranked[-1],
        total=sum(numbers),
    )


def token_statistics(
    counts: Sequence[int], sequences: Sequence[CorpusSequence], tokenizer: Digest
) -> TokenStatistics:
    """Return statistics of token counts, one for each sequence."""
    total = sum(counts)
    characters = sum(map(characters_of, sequences))
    return TokenStatistics(
        tokenizer=tokenizer,
        tokens=spread(counts),
        characters_per_token=round(characters / total, 3) if total else 0.0,
    )


def mix_rows(spec: CorpusSpec, drawn: Drawn) -> tuple[MixRow, ...]:
    """Return what each value of the mix was to have and has."""
    rows = []
    for index, shares in enumerate(shares_of(spec)):
        counts = Counter(map(_value_in(shares, spec.mix), drawn.sequences))
        available: Counter[str] = Counter()
        for cell, held in drawn.scanned.available.items():
            available[cell[index]] += held
        rows += [
            MixRow(
                dimension=shares.dimension,
                value=value,
                share=round(float(part), 6),
                sequences=counts[value],
                available=available[value],
            )
            for value, part in shares.parts.items()
        ]
    return tuple(rows)


def _value_in(shares: Shares, mix: CorpusMix) -> Callable[[CorpusSequence], str | None]:
    def value(sequence: CorpusSequence) -> str | None:
        if shares.dimension == "length":
            return bucket_of(characters_of(sequence), mix)
        return shares.value_of(getattr(sequence, shares.dimension))

    return value


def _source_cards(
    spec: CorpusSpec,
    sources: Sequence[LocalSource],
    drawn: Drawn,
    licences: dict[str, str],
    by_source: Counter[str],
) -> tuple[SourceCard, ...]:
    cards = []
    for source in sorted(spec.sources, key=lambda source: source.name):
        files = [file for file in sources if file.spec.name == source.name]
        cards.append(
            SourceCard(
                name=source.name,
                licence=licences[source.name],
                rows=drawn.scanned.rows[source.name],
                sequences=by_source[source.name],
                dropped=drawn.scanned.dropped[source.name],
                files=tuple(
                    SourceFile(label=f.label, size_bytes=f.size_bytes, sha256=f.sha256)
                    for f in files
                    if not source.hub  # a commit says it all; other versions of `datasets` write other bytes
                ),
                revision=source.hub.partition("@")[2] or ("main" if source.hub else ""),
                commit=files[0].commit,
            )
        )
    return tuple(cards)


def _counts(values: Iterable[str]) -> dict[str, int]:
    """Count, the most frequent first and equals by name."""
    return dict(sorted(Counter(values).items(), key=lambda pair: (-pair[1], pair[0])))
