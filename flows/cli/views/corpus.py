"""How corpora look: tables on a terminal, tab-separated lines elsewhere."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from quantgate.calibration.shelf.assemble import CorpusRecord
from quantgate.calibration.shelf.card import Card
from quantgate.calibration.shelf.card_page import funnel, spread_text
from quantgate.calibration.shelf.comparison import Comparison
from quantgate.calibration.shelf.model_tokens import ModelTokens
from quantgate.pipelines.domain.corpus import Corpus

_SHOWN_IDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A small table with a name; `heads` are shown on a terminal only."""

    name: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def show_sections(sections: Iterable[Section]) -> None:
    """Print sections: tables on a terminal, else a line a row that begins with the section's name."""
    if not sys.stdout.isatty():
        for section in sections:
            for row in section.rows:
                print("\t".join((section.name, *row)))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for section in sections:
        if not section.rows:
            continue
        table = Table(title=section.name, title_justify="left", title_style="bold", box=None)
        for index, head in enumerate(section.heads):
            cells = [row[index] for row in section.rows]
            table.add_column(
                head, justify="right" if _are_numbers(cells) else "left", overflow="fold"
            )
        for row in section.rows:
            table.add_row(*(cell.replace("[", r"\[") for cell in row))
        console.print(table)
        console.print()


def _are_numbers(cells: Sequence[str]) -> bool:
    return all(cell.strip("-–+≤≥ %.,0123456789") == "" for cell in cells) and any(cells)


def list_sections(found: Sequence[tuple[CorpusRecord, str]]) -> Iterator[Section]:
    """Yield one table of all versions with what is known of each; the second part says if it is sound."""
    yield Section(
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
            for record, state in found
        ),
    )


def card_sections(
    corpus: Corpus, record: CorpusRecord, card: Card | None, tokens: Sequence[ModelTokens]
) -> Iterator[Section]:
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
    yield Section(name="corpus", heads=("", ""), rows=tuple(facts))
    if card is not None:
        yield from _counts(card)
    yield token_section(tokens)


def _counts(card: Card) -> Iterator[Section]:
    yield Section(
        name="source",
        heads=("source", "licence", "rows", "sequences", "commit"),
        rows=tuple(
            (one.name, one.licence, f"{one.rows:,}", f"{one.sequences:,}", one.commit[:12])
            for one in card.sources
        ),
    )
    yield Section(name="rows", heads=("rows", "number"), rows=tuple(funnel(card)))
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
        yield Section(
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
        yield Section(name=f"redaction {report.options.mode}", heads=heads, rows=rows)


def token_section(tokens: Sequence[ModelTokens]) -> Section:
    """Return what tokenizers make of a corpus."""
    return Section(
        name="tokens",
        heads=("model", "tokens", "characters per token", "of a sequence"),
        rows=tuple(
            (
                one.model,
                f"{one.statistics.tokens.total:,}",
                f"{one.statistics.characters_per_token:.2f}",
                spread_text(one.statistics.tokens),
            )
            for one in tokens
        ),
    )


def comparison_sections(
    found: Comparison, tokens: Sequence[tuple[str, int, int]]
) -> Iterator[Section]:
    """Yield what changed from one corpus to another; `tokens` are (model, before, after)."""
    heads = ("", found.before, found.after, "change")
    kept = ("kept", f"{found.kept:,}", "same content" if found.same_digest else "")
    yield Section(
        name="sequences",
        heads=("", "number", "ids"),
        rows=(_ids("added", found.added), _ids("removed", found.removed), kept),
    )
    dimensions = dict.fromkeys(change.dimension for change in found.changes)
    for dimension in dimensions:
        rows = [(c.value, c.before, c.after) for c in found.changes if c.dimension == dimension]
        yield Section(name=dimension, heads=heads, rows=tuple(_changed(row) for row in rows))
    totals = [("characters", found.characters_before, found.characters_after)]
    totals += [(f"tokens: {model}", before, after) for model, before, after in tokens]
    yield Section(name="size", heads=heads, rows=tuple(_changed(row) for row in totals))


def _ids(word: str, ids: Sequence[str]) -> tuple[str, str, str]:
    more = " …" if len(ids) > _SHOWN_IDS else ""
    return word, f"{len(ids):,}", ", ".join(ids[:_SHOWN_IDS]) + more


def _changed(row: tuple[str, int, int]) -> tuple[str, ...]:
    value, before, after = row
    return value, f"{before:,}", f"{after:,}", f"{after - before:+,}"


def _share_section(name: str, counts: Mapping[str, int], total: int) -> Section:
    rows = tuple((value, f"{n:,}", f"{n / total:.1%}") for value, n in counts.items())
    return Section(name=name, heads=(name, "sequences", "share"), rows=rows)
