"""What is shown of corpora: lists, cards, comparisons."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from quantgate.calibration.shelf.card import DataCard
from quantgate.calibration.shelf.card_page import funnel, spread_text
from quantgate.calibration.shelf.comparison import CorpusDifference
from quantgate.calibration.shelf.model_tokens import ModelTokens
from quantgate.calibration.shelf.sealing import CorpusRecord
from quantgate.flows.cli.views.blocks import Heading, TableBlock, row
from quantgate.pipelines.domain.corpus import Corpus

_SHOWN_IDS = 10


def section(name: str, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> TableBlock:
    """Return a small table; plain, each row is a line of cells parted by tabs that begins with the name.

    Columns of numbers line up at the right.
    """
    cells = tuple(rows)
    columns = zip(*cells, strict=True) if cells else ([],) * len(heads)
    return TableBlock(
        title=name,
        headings=tuple(
            Heading(head, "right" if _are_numbers(column) else "left")
            for head, column in zip(heads, columns, strict=True)
        ),
        rows=tuple(row(each, "\t".join((name, *each))) for each in cells),
        framed=False,
    )


def _are_numbers(cells: Sequence[str]) -> bool:
    return all(cell.strip("-–+≤≥ %.,0123456789") == "" for cell in cells) and any(cells)


def list_sections(versions: Sequence[tuple[CorpusRecord, str]]) -> Iterator[TableBlock]:
    """Yield one table of all versions with what is known of each; the second part says if it is sound."""
    yield section(
        name="corpora",
        heads=("corpus", "sequences", "digest", "licence", "state"),
        rows=tuple(
            (
                f"{record.name}@{record.version}",
                f"{record.sequence_count:,}",
                record.digest[:12],
                record.licence or "unsaid",
                state,
            )
            for record, state in versions
        ),
    )


def card_sections(
    corpus: Corpus, record: CorpusRecord, card: DataCard | None, tokens: Sequence[ModelTokens]
) -> Iterator[TableBlock]:
    """Yield a corpus's card."""
    facts = [
        ("name", corpus.label),
        ("digest", corpus.digest),
        ("folder", str(corpus.folder)),
        ("sequences", f"{corpus.sequence_count:,}"),
        ("licence", record.licence or "unsaid"),
    ]
    facts += [("description", record.description)] if record.description else []
    facts += [(f"upstream {m.name}", f"{m.before} → {m.now}") for m in record.moved]
    if card is not None:
        facts += [("rendering", card.rendering), ("characters", spread_text(card.characters))]
    yield section(name="corpus", heads=("", ""), rows=tuple(facts))
    if card is not None:
        yield from _counts(card)
    yield token_section(tokens)


def _counts(card: DataCard) -> Iterator[TableBlock]:
    yield section(
        name="source",
        heads=("source", "licence", "rows", "sequences", "commit"),
        rows=tuple(
            (
                source.name,
                source.licence,
                f"{source.rows:,}",
                f"{source.sequences:,}",
                source.commit[:12],
            )
            for source in card.sources
        ),
    )
    yield section(name="rows", heads=("rows", "number"), rows=tuple(funnel(card)))
    named = (("language", card.languages), ("domain", card.domains), ("length", card.lengths))
    for name, counts in named:
        yield _share_section(name, counts, card.sequences)
    if card.mix:
        mixed = tuple(
            (
                str(m.dimension),
                m.value,
                f"{m.share:.1%}",
                f"{m.sequences / card.sequences:.1%}",
                f"{m.available:,}",
            )
            for m in card.mix
        )
        yield section(
            name="mix",
            heads=("dimension", "value", "asked", "has", "rows in the sources"),
            rows=mixed,
        )
    report = card.redaction
    if report is not None:
        rows = tuple(
            (c.entity, c.source, f"{c.found:,}", f"{c.sequences:,}") for c in report.counts
        )
        heads = ("personal data", "source", "found", "sequences")
        yield section(name=f"redaction {report.options.mode}", heads=heads, rows=rows)


def token_section(tokens: Sequence[ModelTokens]) -> TableBlock:
    """Return what tokenizers make of a corpus."""
    return section(
        name="tokens",
        heads=("model", "tokens", "characters per token", "of a sequence"),
        rows=tuple(
            (
                counts.model,
                f"{counts.statistics.tokens.total:,}",
                f"{counts.statistics.characters_per_token:.2f}",
                spread_text(counts.statistics.tokens),
            )
            for counts in tokens
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenChange:
    """How many tokens `model` makes of the earlier corpus and of the later one."""

    model: str
    before: int
    after: int


def comparison_sections(
    comparison: CorpusDifference, tokens: Sequence[TokenChange]
) -> Iterator[TableBlock]:
    """Yield what changed from one corpus to another."""
    heads = ("", comparison.before, comparison.after, "change")
    kept = ("kept", f"{comparison.kept:,}", "same content" if comparison.same_digest else "")
    yield section(
        name="sequences",
        heads=("", "number", "ids"),
        rows=(_ids("added", comparison.added), _ids("removed", comparison.removed), kept),
    )
    changes = comparison.changes
    for dimension in dict.fromkeys(change.dimension for change in changes):
        rows = (_changed(c.value, c.before, c.after) for c in changes if c.dimension == dimension)
        yield section(name=dimension, heads=heads, rows=tuple(rows))
    characters = ("characters", comparison.characters_before, comparison.characters_after)
    counts = (_changed(f"tokens: {change.model}", change.before, change.after) for change in tokens)
    yield section(name="size", heads=heads, rows=(_changed(*characters), *counts))


def _ids(word: str, ids: Sequence[str]) -> tuple[str, str, str]:
    more = " …" if len(ids) > _SHOWN_IDS else ""
    return word, f"{len(ids):,}", ", ".join(ids[:_SHOWN_IDS]) + more


def _changed(value: str, before: int, after: int) -> tuple[str, ...]:
    return value, f"{before:,}", f"{after:,}", f"{after - before:+,}"


def _share_section(name: str, counts: Mapping[str, int], total: int) -> TableBlock:
    rows = tuple((value, f"{n:,}", f"{n / total:.1%}") for value, n in counts.items())
    return section(name=name, heads=(name, "sequences", "share"), rows=rows)
