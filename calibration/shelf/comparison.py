"""Two corpora side by side: which sequences were added, removed and kept, and how counts change."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from quantgate.calibration.shelf.card import characters_of, length_counts
from quantgate.calibration.shelf.sealing import iterate_sequences
from quantgate.calibration.sources.rows import content_of
from quantgate.pipelines.domain.corpus import Corpus, CorpusSequence
from quantgate.pipelines.domain.values import Digest, digest_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CountChange:
    """One value of a dimension, before and after."""

    dimension: str
    value: str
    before: int
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusDifference:
    """What changed from one corpus to another. Ids are those of the corpus that has the sequence."""

    before: str
    after: str
    same_digest: bool
    kept: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    characters_before: int
    characters_after: int
    changes: tuple[CountChange, ...]


def compare(before: Corpus, after: Corpus) -> CorpusDifference:
    """Hold two sealed corpora against each other by the content of their sequences."""
    old, new = _Side(before), _Side(after)
    return CorpusDifference(
        before=before.label,
        after=after.label,
        same_digest=before.digest == after.digest,
        kept=len(old.ids.keys() & new.ids.keys()),
        added=tuple(
            identifier for content, identifier in new.ids.items() if content not in old.ids
        ),
        removed=tuple(
            identifier for content, identifier in old.ids.items() if content not in new.ids
        ),
        characters_before=old.characters,
        characters_after=new.characters,
        changes=tuple(
            CountChange(
                dimension=name, value=value, before=counts[value], after=new.counts[name][value]
            )
            for name, counts in old.counts.items()
            for value in sorted(counts.keys() | new.counts[name].keys())
        ),
    )


class _Side:
    """One corpus, read once."""

    def __init__(self, corpus: Corpus) -> None:
        self.ids: dict[Digest, str] = {}
        self.characters = 0
        self.counts: dict[str, Counter[str]] = {name: Counter() for name, _ in _DIMENSIONS}
        for sequence in iterate_sequences(corpus):
            self.ids.setdefault(digest_of(content_of(sequence)), sequence.id)
            self.characters += characters_of(sequence)
            for name, values in _DIMENSIONS:
                self.counts[name].update(values(sequence))


_DIMENSIONS: tuple[tuple[str, Callable[[CorpusSequence], Iterable[str]]], ...] = (
    ("source", lambda sequence: [sequence.source or "unsaid"]),
    ("language", lambda sequence: [sequence.language or "und"]),
    ("domain", lambda sequence: [sequence.domain or "unsaid"]),
    ("characters", lambda sequence: length_counts([sequence])),
)
