"""What a suite asks that a corpus never shows, slice by slice: languages, lengths, kinds of writing, words.

A quantizer keeps what its calibration text exercises. What is missing there is where damage goes unseen while
building, so each lack is a note, not a refusal: whether it matters, the suite's own verdict says.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy
from numpy.typing import NDArray

from quantgate.calibration.checks.expectations import expected_text
from quantgate.calibration.checks.features import calls_in, kinds_of, shares
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.suites.suite import GraderKind, Item, Suite
from quantgate.pipelines.domain.values import canonical_json
from quantgate.pipelines.language.identify import UNKNOWN, languages_of
from quantgate.pipelines.language.words import words_of

Aspect = Literal["language", "length", "writing", "calls", "words", "tokens", "digits"]

_LEAST_SHARE = 0.1
"""A slice's language or kind of writing is lacking where the corpus has less than a tenth of its share …"""
_PLENTY = 0.02
"""… and less than this."""
_SLICE_SHARE = 0.02
_CALLS_SHARE = 0.2
_WORD_ITEMS, _WORD_ITEMS_SHARE = 3, 0.1
_WORDS_SHARE = 0.2
_FEWEST_WORDS = 10
_SHOWN = 5
_WORD_BITS = 24
_LANGUAGE_ROWS = 20_000
_LONG_PERCENTILE = 95


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """Something that a slice tests and the corpus lacks; shares are of the slice and of the corpus."""

    slice: str
    aspect: Aspect
    what: str
    slice_share: float
    corpus_share: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusProfile:
    """What a corpus shows. `languages` counts rows: those that name theirs, and the first 20,000 others.

    `kinds` counts characters, `lengths` are characters of every sequence, `words` marks hashes of words.
    """

    rows: int
    languages: Counter[str]
    kinds: Counter[str]
    rows_with_calls: int
    lengths: NDArray[numpy.int64]
    words: NDArray[numpy.bool_]

    def language_share(self, language: str) -> float:
        """Share of rows in a language, of those whose language is known."""
        identified = sum(count for name, count in self.languages.items() if name != UNKNOWN)
        return self.languages[language] / identified if identified else 0.0

    def long_characters(self) -> float:
        """Return the length that 95 % of the sequences do not exceed."""
        return float(numpy.percentile(self.lengths, _LONG_PERCENTILE)) if len(self.lengths) else 0.0


class Profiler:
    """Adds up a corpus's profile batch by batch."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._languages: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._calls = self._rows = self._asked = 0
        self._lengths: list[int] = []
        self._words = numpy.zeros(1 << _WORD_BITS, dtype=bool)

    def add(self, batch: Sequence[CorpusSequence], texts: Sequence[str]) -> None:
        """Add sequences and their texts (`text_of`)."""
        self._rows += len(batch)
        self._lengths += map(len, texts)
        self._kinds.update(kinds_of(texts))
        self._calls += sum(
            any(m.tool_calls for m in sequence.messages) or calls_in(text) > 0
            for sequence, text in zip(batch, texts, strict=True)
        )
        self._words[_slots(texts)] = True
        self._languages.update(sequence.language for sequence in batch if sequence.language)
        unknown = [
            _asked(sequence) or text
            for sequence, text in zip(batch, texts, strict=True)
            if not sequence.language
        ]
        unknown = unknown[: max(0, _LANGUAGE_ROWS - self._asked)]
        self._asked += len(unknown)
        if unknown:
            self._languages.update(languages_of(unknown))

    def profile(self) -> CorpusProfile:
        """Return what was added up."""
        return CorpusProfile(
            rows=self._rows,
            languages=self._languages,
            kinds=self._kinds,
            rows_with_calls=self._calls,
            lengths=numpy.array(self._lengths, dtype=numpy.int64),
            words=self._words,
        )


def text_of(sequence: CorpusSequence) -> str:
    """Return all that a sequence says, calls included."""
    said = [message.content for message in sequence.messages]
    said += [canonical_json(call) for message in sequence.messages for call in message.tool_calls]
    return "\n".join([*said, sequence.text] if sequence.text else said)


def item_text(item: Item, kind: GraderKind) -> str:
    """Return all that an item asks, and what its grader of this kind expects of an answer's text.

    Of a loop also what its steps expect, each by its own grader.
    """
    said = [message.content for message in item.script]
    said += [canonical_json(tool) for tool in item.tools]
    turns = item.loop.turns if item.loop is not None else ()
    expected = [
        expected_text(
            replace(item, expected=step.expected), step.grader.kind if step.grader else kind
        )
        for turn in turns
        for step in turn.steps
    ]
    return "\n".join([*said, *expected, expected_text(item, kind)])


def lacks(suite: Suite, profile: CorpusProfile) -> tuple[Lack, ...]:
    """Return what each slice tests and the corpus lacks; slices in the suite's order."""
    if not profile.rows:
        return ()
    languages = dict(zip(
        (item.id for item in suite.items), languages_of([_question(i) for i in suite.items]), strict=True
    ))  # fmt: skip
    lacking: list[Lack] = []
    for part in suite.slices:
        items = [item for item in suite.items if part.name in item.slices]
        if not items:
            continue
        lacking += _languages(part.name, [languages[item.id] for item in items], profile)
        lacking += _lengths(part.name, items, profile)
        lacking += _writing(suite, part.name, profile)
        lacking += _words(part.name, items, profile)
    return tuple(lacking)


def _languages(name: str, languages: Sequence[str], profile: CorpusProfile) -> list[Lack]:
    lacking = []
    for language, count in Counter(languages).most_common():
        share, have = count / len(languages), profile.language_share(language)
        if language == UNKNOWN or count < 2 or not _lacking(share, have):
            continue
        lacking.append(Lack(
            slice=name, aspect="language", what=language, slice_share=share, corpus_share=have,
            text=f"{count} of {len(languages)} items are in '{language}', {have:.1%} of the corpus is",
        ))  # fmt: skip
    return lacking


def _lengths(name: str, items: Sequence[Item], profile: CorpusProfile) -> list[Lack]:
    long = profile.long_characters()
    sizes = [sum(len(message.content) for message in item.script) for item in items]
    longer = sum(size > long for size in sizes)
    if 2 * longer <= len(sizes):
        return []
    share = float((profile.lengths >= numpy.median(sizes)).mean())
    text = (
        f"{longer} of {len(sizes)} items are longer than {long:,.0f} characters, which 95% of the corpus "
        "does not exceed"
    )
    return [Lack(
        slice=name, aspect="length", what=f">{long:.0f}", slice_share=longer / len(sizes),
        corpus_share=share, text=text,
    )]  # fmt: skip


def _writing(suite: Suite, name: str, profile: CorpusProfile) -> list[Lack]:
    items = [item for item in suite.items if name in item.slices]
    texts = [item_text(item, suite.grader_of(item).kind) for item in items]
    have = shares(profile.kinds)
    lacking = [
        Lack(
            slice=name, aspect="writing", what=kind, slice_share=share, corpus_share=have.get(kind, 0.0),
            text=f"{share:.1%} of its characters are {kind}, {have.get(kind, 0.0):.2%} of the corpus's",
        )
        for kind, share in shares(kinds_of(texts)).items()
        if _lacking(share, have.get(kind, 0.0))
    ]  # fmt: skip
    calling = sum(
        bool(item.tools) or calls_in(text) > 0 for item, text in zip(items, texts, strict=True)
    )
    share, rows = calling / len(items), profile.rows_with_calls / profile.rows
    if share >= _CALLS_SHARE and rows < _LEAST_SHARE * share:
        lacking.append(Lack(
            slice=name, aspect="calls", what="tool calls", slice_share=share, corpus_share=rows,
            text=f"{calling} of {len(items)} items are about tool calls, {rows:.1%} of the corpus's rows are",
        ))  # fmt: skip
    return lacking


def _words(name: str, items: Sequence[Item], profile: CorpusProfile) -> list[Lack]:
    """Words that several items use (so no names or numbers), as a stand-in for the slice's domain."""
    read = words_of([_question(item) for item in items])
    users: Counter[int] = Counter()
    spelling: dict[int, str] = {}
    for at in range(len(items)):
        for place in range(read.bounds[at], read.bounds[at + 1]):
            spelling.setdefault(int(read.hashes[place]), read.spelled(place))
        users.update(set(read.hashes[read.bounds[at] : read.bounds[at + 1]].tolist()))
    several = max(_WORD_ITEMS, _WORD_ITEMS_SHARE * len(items))
    shared = [word for word, count in users.most_common() if count >= several]
    if len(shared) < _FEWEST_WORDS:
        return []
    seen = profile.words[_slot_of(numpy.array(shared, dtype=numpy.uint64))]
    missing = [spelling[word] for word, there in zip(shared, seen, strict=True) if not there]
    missing.sort(key=lambda word: (-len(word), word))  # long words tell more of a domain
    share = len(missing) / len(shared)
    if share < _WORDS_SHARE:
        return []
    text = (
        f"{len(missing)} of the {len(shared)} words that several items use never occur in the corpus: "
        f"{', '.join(missing[:_SHOWN])}{' …' if len(missing) > _SHOWN else ''}"
    )
    return [Lack(
        slice=name, aspect="words", what="words", slice_share=share, corpus_share=0.0, text=text
    )]  # fmt: skip


def _lacking(share: float, have: float) -> bool:
    return share >= _SLICE_SHARE and have < min(_PLENTY, _LEAST_SHARE * share)


def _asked(sequence: CorpusSequence) -> str:
    return "\n".join(message.content for message in sequence.messages if message.role == "user")


def _question(item: Item) -> str:
    asked = [message.content for message in item.script if message.role == "user"]
    return "\n".join(asked)


def _slots(texts: Sequence[str]) -> NDArray[numpy.uint64]:
    return _slot_of(words_of(texts).hashes)


def _slot_of(hashes: NDArray[numpy.uint64]) -> NDArray[numpy.uint64]:
    return hashes >> numpy.uint64(64 - _WORD_BITS)
