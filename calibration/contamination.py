"""Overlap of a corpus and a suite: a variant calibrated on its own exam proves nothing."""

import re
import unicodedata
from dataclasses import dataclass

from pipelines.domain.corpus import CorpusSequence
from pipelines.domain.suite import Item

_NOT_WORD = re.compile(r"[\W_]+")
_MINIMUM_CHARACTERS = 12
"""Shorter texts ("hello") are shared by honest traffic and honest suites."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contamination:
    """One item that the corpus holds: its id, the sequence's id and the text they share."""

    item_id: str
    sequence_id: str
    text: str


def contaminations(
    sequences: tuple[CorpusSequence, ...], items: tuple[Item, ...]
) -> tuple[Contamination, ...]:
    """Return the items whose question stands in the corpus, after normalization.

    Compared are user messages and raw texts, with case, punctuation, spacing and Unicode form
    levelled (NFKC, casefold); an item is contaminated when its last user message equals one of them.
    """
    known: dict[str, CorpusSequence] = {}
    for sequence in sequences:
        contents = [m.content for m in sequence.messages if m.role == "user"]
        for content in [*contents, sequence.text]:
            known.setdefault(normalized(content), sequence)
    found = []
    for item in items:
        questions = [m.content for m in item.messages if m.role == "user"]
        text = normalized(questions[-1]) if questions else ""
        if len(text) >= _MINIMUM_CHARACTERS and text in known:
            found.append(
                Contamination(item_id=item.id, sequence_id=known[text].id, text=questions[-1])
            )
    return tuple(found)


def normalized(text: str) -> str:
    """Level case, punctuation, spacing and Unicode form."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _NOT_WORD.sub(" ", folded).strip()
