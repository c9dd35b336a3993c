"""A data card as a page of Markdown: what a reviewer reads."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quantgate.calibration.shelf.card import DataCard, Spread, TokenStatistics

REASONS = {
    "broken": "cannot be read",
    "empty": "no content",
    "not_text": "images or other media",
    "roles": "no message of a wanted role",
    "too_short": "too short",
    "too_long": "too long",
    "too_few_messages": "too few messages",
    "too_many_messages": "too many messages",
    "not_included": "matches no `include`",
    "excluded": "matches an `exclude`",
    "language": "another language",
    "not_in_mix": "no place in the mix",
}


def card_page(card: "DataCard") -> str:
    """Return the page."""
    parts = [
        f"# {card.name}\n",
        *([f"{card.description}\n"] if card.description else []),
        f"{card.sequences:,} sequences, {card.characters.total:,} characters; content "
        f"`{card.digest}`. Rendering: {card.rendering}. Seed {card.seed}. "
        f"Licence: {card.licence or 'unsaid'}.\n",
        *_sources(card),
        "## What became of the rows\n",
        _table(("rows", "number"), funnel(card)),
        "## What is in it\n",
        *_counts("language", card.languages, card.sequences),
        *_counts("domain", card.domains, card.sequences),
        *_counts("characters", card.lengths, card.sequences),
        *_counts("licence", card.licences, card.sequences),
        f"Characters of a sequence: {spread_text(card.characters)}.\n",
        *_mix(card),
        *([_tokens(card.tokens)] if card.tokens else []),
        *_redaction(card),
    ]
    return "\n".join(parts)


def funnel(card: "DataCard") -> list[tuple[str, str]]:
    """Return what became of all rows, one line a reason."""
    lines = [("read", card.rows)]
    lines += [(f"left out: {REASONS.get(why, why)}", n) for why, n in card.dropped.items()]
    lines += [("left out: equal to another", card.duplicates), ("not drawn", card.left_over)]
    if card.same_after_redaction:
        lines.append(("left out: equal to another after redaction", card.same_after_redaction))
    lines.append(("in the corpus", card.sequences))
    return [(text, f"{number:,}") for text, number in lines]


def spread_text(spread: "Spread") -> str:
    """Return a spread in words."""
    return (
        f"{spread.smallest:,} at least, {spread.median:,} in the middle, {spread.percentile_95:,} at the "
        f"95th percentile, {spread.largest:,} at most"
    )


def _sources(card: "DataCard") -> Iterable[str]:
    yield "## Where it comes from\n"
    rows = []
    for source in card.sources:
        left_out = sum(source.dropped.values())
        what = (
            f"commit `{source.commit}` of {source.revision}"
            if source.commit
            else f"{len(source.files)} file(s)"
        )
        rows.append(
            (
                source.name,
                source.licence,
                f"{source.rows:,}",
                f"{left_out:,}",
                f"{source.sequences:,}",
                what,
            )
        )
    yield _table(("source", "licence", "rows", "left out", "sequences", "what"), rows)
    files = [file for source in card.sources for file in source.files]
    if files:
        yield _table(
            ("file", "bytes", "sha256"),
            [(file.label, f"{file.size_bytes:,}", f"`{file.sha256}`") for file in files],
        )


def _counts(name: str, counts: Mapping[str, int], total: int) -> Iterable[str]:
    rows = [(value, f"{n:,}", f"{n / total:.1%}") for value, n in counts.items()]
    yield _table((name, "sequences", "share"), rows)


def _mix(card: "DataCard") -> Iterable[str]:
    if card.mix:
        yield "## The mix\n"
        yield _table(
            ("dimension", "value", "asked", "has", "rows in the sources"),
            [
                (
                    m.dimension,
                    m.value,
                    f"{m.share:.1%}",
                    f"{m.sequences / card.sequences:.1%}",
                    f"{m.available:,}",
                )
                for m in card.mix
            ],
        )


def _tokens(tokens: "TokenStatistics") -> str:
    return (
        f"## Tokens\n\n{tokens.tokens.total:,} tokens as tokenizer `{tokens.tokenizer[:16]}` counts them "
        f"({tokens.characters_per_token:.2f} characters each). Of a sequence: {spread_text(tokens.tokens)}.\n"
    )


def _redaction(card: "DataCard") -> Iterable[str]:
    report = card.redaction
    if report is None:
        yield "## Personal data\n\nNobody looked for any (`redaction: {mode: off}`).\n"
        return
    what = "replaced" if report.options.mode == "enforce" else "left as it is"
    names = "" if report.names_looked_for else " Names of people and places were not looked for."
    yield (
        f"## Personal data\n\n{report.finding_count:,} findings in {report.sequences_with_findings:,} of "
        f"{report.sequences:,} sequences, {what} ({report.detector}).{names}\n"
    )
    if report.counts:
        yield _table(
            ("what", "source", "found", "sequences"),
            [(c.entity, c.source, f"{c.found:,}", f"{c.sequences:,}") for c in report.counts],
        )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    cells = ([cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)
