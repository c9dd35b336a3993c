"""Overlap of a corpus and a suite: a variant calibrated on its own exam proves nothing.

Jaccard likeness of two texts, which MinHash estimates, asks how much of *both* is shared: a question inside a
long row is nearly nothing of that row, and two messages of one template are nearly all alike. What is asked
here is lopsided: how much of the *item* stands close together in a row, by how telling its words are, in
how far in their order, and whether that includes what sets the item apart from its template.
docs/corpora.md has the thresholds' reasons, with what was measured.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from quantgate.calibration.checks.overlap_closeness import Judge
from quantgate.calibration.checks.overlap_index import OverlapIndex
from quantgate.calibration.checks.overlap_search import ComparedRow, OverlapSearch
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.suites.suite import Item

Kind = Literal["exact", "normalized", "near"]

_SHORTEST_CHARACTERS = 12
"""Shorter texts ("hello") are shared by honest traffic and honest suites."""
_FEWEST_WORDS = 6
"""Shorter messages in the middle of a conversation ("Yes, please.") are anybody's."""
_SHOWN_CHARACTERS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Contamination:
    """One item that the corpus holds, with both texts.

    `likeness` is the share of the item's information that stands in the row (1 for exact and normalized
    copies). `text` is what the item asks, `found` what the row says there.
    """

    item_id: str
    sequence_id: str
    kind: Kind
    likeness: float
    text: str
    found: str


def contaminations(
    sequences: Iterable[CorpusSequence], items: Sequence[Item], *, threads: int = 1
) -> tuple[Contamination, ...]:
    """Return the items of which the corpus holds a copy, in suite order, each with its closest row.

    `sequences` are read once and may be any number; memory grows with the items alone. A copy is exact, the
    same words in order whatever their case, punctuation, spacing and Unicode form (`normalized`), or
    near: reworded, reordered or cut, standing alone or inside a longer row.
    """
    copies = _copies(sequences, items, threads=threads)
    return tuple(min(copies[at], key=_closest_first) for at in sorted(copies))


def copied_rows(
    sequences: Sequence[CorpusSequence], items: Sequence[Item], *, threads: int = 1
) -> frozenset[str]:
    """Return the ids of all rows that hold a copy of an item: without them `contaminations` has nothing."""
    ids: frozenset[str] = frozenset()
    while True:
        left = [sequence for sequence in sequences if sequence.id not in ids]
        copies = _copies(left, items, threads=threads)
        if not copies:
            return ids
        ids = ids.union(copy.sequence_id for each in copies.values() for copy in each)


def _copies(
    sequences: Iterable[CorpusSequence], items: Sequence[Item], *, threads: int
) -> dict[int, list[Contamination]]:
    """Return copies by the item's place; of equal ones that are whole rows the first is enough."""
    entries = [(at, text) for at, item in enumerate(items) for text in _entries(item)]
    index = OverlapIndex([text for _, text in entries], _SHORTEST_CHARACTERS)
    searched = OverlapSearch(index).run(map(compared, sequences), threads)
    judge = Judge(index, searched)
    copies: dict[int, list[Contamination]] = {}
    for entry, (row_id, row) in searched.equal.items():
        at, text = entries[entry]
        copy = _contamination(items[at], text, row_id, row, verbatim=True, likeness=1.0)
        copies.setdefault(at, []).append(copy)
    for place, part in enumerate(index.parts):
        at, text = entries[part.item]
        for close in judge.copies(place):
            copy = _contamination(
                items[at], text, close.row_id, close.excerpt,
                verbatim=close.verbatim and close.whole, likeness=close.likeness,
            )  # fmt: skip
            copies.setdefault(at, []).append(copy)
    return copies


def _closest_first(copy: Contamination) -> tuple[int, float]:
    return ("exact", "normalized", "near").index(copy.kind), -copy.likeness


def _entries(item: Item) -> tuple[str, ...]:
    """What is looked for: all that an item asks; in a conversation its last question by itself as well.

    So are a loop's later messages of a user, but for short ones ("Yes, please."), which anybody may say.
    """
    whole = asked(item)
    questions = [message.content for message in item.messages if message.role == "user"]
    later = [turn.user or "" for turn in item.loop.turns] if item.loop else []
    long = [text for text in later if len(text.split()) >= _FEWEST_WORDS]
    return tuple(dict.fromkeys(text for text in (whole, *questions[-1:], *long) if text))


def asked(item: Item) -> str:
    """Return what is compared of an item: all it says but system messages, which many items share."""
    said = [message.content for message in item.script if message.role != "system"]
    return "\n".join(said)


def compared(sequence: CorpusSequence) -> ComparedRow:
    """Return what is compared of a corpus row."""
    said = [message.content for message in sequence.messages if message.role != "system"]
    return ComparedRow(id=sequence.id, texts=tuple(text for text in (*said, sequence.text) if text))


def _contamination(
    item: Item, text: str, row_id: str, row: str, *, verbatim: bool, likeness: float
) -> Contamination:
    kind: Kind = "near"
    if verbatim:
        kind = "exact" if text.strip() in row else "normalized"
    return Contamination(
        item_id=item.id,
        sequence_id=row_id,
        kind=kind,
        likeness=1.0 if verbatim else round(likeness, 3),
        text=text,
        found=row if len(row) <= _SHOWN_CHARACTERS else row[: _SHOWN_CHARACTERS - 1] + "…",
    )
