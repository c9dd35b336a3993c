"""What is wrong with a corpus on its own: repeated, empty or broken rows, one source or template over all."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy
from numpy.typing import NDArray

from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.language.words import Hashes, run_hashes, words_of

Ailment = Literal[
    "empty", "lone surrogate", "NUL", "control character", "replacement character", "mojibake",
    "no answer", "duplicate", "same words", "near duplicate",
]  # fmt: skip

PROBLEMS: frozenset[Ailment] = frozenset({"empty", "lone surrogate", "NUL"})
"""Rows with these are no text that a tokenizer was made for; the others are worth a look."""
NEAR_ROWS = 20_000
LEAST_JACCARD = 0.8
DOMINATING_SOURCE, DOMINATING_TEMPLATE = 0.9, 0.3
_BANDS, _ROWS_A_BAND = 6, 4
_CANDIDATES = 8
_FEWEST_WORDS = 8
_FEWEST_SEQUENCES = 20
_TEMPLATE_SHARE = 0.01
_SHOWN = 3
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x01-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f]")
# UTF-8 that was read as Latin-1 or Windows-1252: a lead byte's character, then a continuation byte's.
_CONTINUATION = "".join(map(chr, range(0x80, 0xC0))) + bytes(range(0x80, 0xC0)).decode(
    "cp1252", errors="ignore"
)
_MOJIBAKE = re.compile(
    f"[ÂÃ][{_CONTINUATION}]|[âð][{_CONTINUATION}]{{2}}|(?:[ÐÑ][{_CONTINUATION}]){{2}}"
)
_ORDER = numpy.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom:
    """An ailment: how many rows have it, and the first ones' ids (a pair's with the earlier row's)."""

    ailment: Ailment
    rows: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Domination:
    """A source or template that most rows are of; `example` is a row's id."""

    what: Literal["source", "template"]
    name: str
    share: float
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What was found in `rows` rows; near duplicates were looked for in the first `near_rows`."""

    rows: int
    near_rows: int
    symptoms: tuple[Symptom, ...]
    dominations: tuple[Domination, ...]


class Examiner:
    """Examines a corpus batch by batch; memory grows by some 30 bytes a row."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._rows = 0
        self._counts: Counter[Ailment] = Counter()
        self._examples: dict[Ailment, list[str]] = {}
        self._sources: Counter[str] = Counter()
        self._verbatim: set[int] = set()
        self._worded: dict[int, None] = {}
        self._near = _NearDuplicates()
        self._templates = _Templates()

    def add(self, batch: Sequence[CorpusSequence], texts: Sequence[str]) -> None:
        """Examine sequences and their texts."""
        self._sources.update(sequence.source for sequence in batch)
        words = words_of(texts)
        runs = run_hashes(words.hashes, words.bounds[:-1], words.bounds[1:])
        for at, (sequence, text) in enumerate(zip(batch, texts, strict=True)):
            for ailment in ailments(sequence, text):
                self._count(ailment, sequence.id)
            self._repeated(
                sequence.id,
                hash(text),
                int(runs[at]),
                bool(words.bounds[at + 1] - words.bounds[at]),
            )
        room = max(0, NEAR_ROWS - self._rows)
        for at, sequence in enumerate(batch[:room]):
            row_words = words.hashes[words.bounds[at] : words.bounds[at + 1]]
            earlier = self._near.earlier_like(sequence.id, row_words)
            if earlier is not None:
                self._count("near duplicate", f"{sequence.id} like {earlier}")
            self._templates.add(sequence.id, row_words)
        self._rows += len(batch)

    def health(self) -> Health:
        """Return what was found."""
        order = sorted(self._counts, key=lambda name: (name not in PROBLEMS, -self._counts[name]))
        return Health(
            rows=self._rows,
            near_rows=min(self._rows, NEAR_ROWS),
            symptoms=tuple(
                Symptom(ailment=name, rows=self._counts[name], examples=tuple(self._examples[name]))
                for name in order
            ),
            dominations=(*self._dominating_source(), *self._templates.dominating()),
        )

    def _repeated(self, row_id: str, verbatim: int, worded: int, has_words: bool) -> None:
        if verbatim in self._verbatim:
            self._count("duplicate", row_id)
        elif has_words and worded in self._worded:
            self._count("same words", row_id)
        self._verbatim.add(verbatim)
        self._worded[worded] = None

    def _count(self, ailment: Ailment, row_id: str) -> None:
        self._counts[ailment] += 1
        examples = self._examples.setdefault(ailment, [])
        if len(examples) < _SHOWN:
            examples.append(row_id)

    def _dominating_source(self) -> Iterable[Domination]:
        if len(self._sources) < 2 or self._rows < _FEWEST_SEQUENCES:
            return
        name, count = self._sources.most_common(1)[0]
        if count / self._rows >= DOMINATING_SOURCE:
            yield Domination(what="source", name=name, share=count / self._rows, example="")


def ailments(sequence: CorpusSequence, text: str) -> list[Ailment]:
    """Return what is wrong with one row."""
    if not text.strip():
        return ["empty"]
    ailing: list[Ailment] = []
    if "\0" in text:
        ailing.append("NUL")
    if _CONTROL.search(text):
        ailing.append("control character")
    if not text.isascii():
        if _SURROGATE.search(text):
            ailing.append("lone surrogate")
        if "\ufffd" in text:
            ailing.append("replacement character")
        if _MOJIBAKE.search(text):
            ailing.append("mojibake")
    if sequence.messages and not any(
        message.role == "assistant" and (message.content.strip() or message.tool_calls)
        for message in sequence.messages
    ):
        ailing.append("no answer")
    return ailing


class _NearDuplicates:
    """MinHash over neighbouring pairs of words finds candidates, their true Jaccard index decides.

    A question here is symmetric (are two rows nearly one?), so that Jaccard's index is the right measure.
    """

    def __init__(self) -> None:
        odd = numpy.arange(1, _BANDS * _ROWS_A_BAND + 1, dtype=numpy.uint64) * numpy.uint64(2)
        self._multipliers: Hashes = (odd + numpy.uint64(1)) * _ORDER
        self._ids: list[str] = []
        self._pairs: list[NDArray[numpy.uint64]] = []
        self._bands: dict[int, list[int]] = {}

    def earlier_like(self, row_id: str, words: Hashes) -> str | None:
        """Return an earlier row that is nearly this one (and not the same words), and remember this one."""
        if len(words) < _FEWEST_WORDS:
            return None
        pairs = numpy.sort(words[:-1] * _ORDER ^ words[1:])
        pairs = pairs[numpy.append(True, pairs[1:] != pairs[:-1])]
        lowest = (pairs[:, None] * self._multipliers[None, :]).min(axis=0)
        keys = [hash((band, lowest[band::_BANDS].tobytes())) for band in range(_BANDS)]
        candidates = dict.fromkeys(
            row for key in keys for row in self._bands.get(key, [])[:_CANDIDATES]
        )
        earlier = None
        for row in candidates:
            shared = len(numpy.intersect1d(pairs, self._pairs[row], assume_unique=True))
            union = len(pairs) + len(self._pairs[row]) - shared
            if LEAST_JACCARD <= shared / union < 1:
                earlier = self._ids[row]
                break
        for key in keys:
            self._bands.setdefault(key, []).append(len(self._ids))
        self._ids.append(row_id)
        self._pairs.append(pairs)
        return earlier


class _Templates:
    """Rows that begin with the same words, names and numbers left out: words that few rows use."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._starts: list[Hashes] = []
        self._users: Counter[int] = Counter()

    def add(self, row_id: str, words: Hashes) -> None:
        """Remember how a row begins."""
        self._ids.append(row_id)
        self._starts.append(words[:24])
        self._users.update(set(words[:24].tolist()))

    def dominating(self) -> Iterable[Domination]:
        """Yield the template that at least 30 % of the rows begin with."""
        rows = len(self._ids)
        if rows < _FEWEST_SEQUENCES:
            return
        common = {
            word for word, users in self._users.items() if users >= max(3, _TEMPLATE_SHARE * rows)
        }
        skeletons = [
            tuple(word for word in start.tolist() if word in common)[:_FEWEST_WORDS]
            for start in self._starts
        ]
        counts = Counter(skeleton for skeleton in skeletons if len(skeleton) == _FEWEST_WORDS)
        if not counts:
            return
        skeleton, count = counts.most_common(1)[0]
        if count / rows >= DOMINATING_TEMPLATE:
            example = self._ids[skeletons.index(skeleton)]
            yield Domination(what="template", name="", share=count / rows, example=example)
