"""Sealed corpora: written once, numbered by content, verified whenever they are opened."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quantgate.calibration.drawing.building import Drawn
from quantgate.calibration.drawing.fetching import read_sequence_lines, sequence_line
from quantgate.calibration.redaction.options import RedactionOptions
from quantgate.calibration.shelf.card import CARD, CARD_PAGE, DataCard, make_card, token_statistics
from quantgate.calibration.shelf.card_page import card_page
from quantgate.calibration.sources.local import LocalSource
from quantgate.calibration.sources.rows import content_of
from quantgate.calibration.specs.corpus import CorpusSpec, Filters
from quantgate.pipelines.domain.corpus import Corpus, CorpusSequence
from quantgate.pipelines.domain.values import Digest, canonical_json
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.files.records import read_record, write_record, write_text
from quantgate.pipelines.files.sealed import is_sealed, produce_once, read_manifest, verify

SEQUENCES = "sequences.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedSource:
    """A hub dataset whose revision meant another commit in the version before."""

    name: str
    before: str
    now: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusRecord:
    """What stands in a sealed corpus's manifest: identity, and how the rows came about.

    `digest` covers the sequences in order and nothing else, so that a reworded description does not
    make another corpus. `commits` are what hub revisions meant, by source; `moved` are those that meant
    another commit in the version before. `filters` and
    `redaction` are what rows went through.
    """

    name: str
    version: int
    digest: Digest
    description: str
    licence: str
    seed: int
    sequence_count: int
    source_rows: int
    duplicate_rows: int
    commits: dict[str, str] = field(default_factory=dict)
    moved: tuple[MovedSource, ...] = ()
    filters: Filters = field(default_factory=Filters)
    redaction: RedactionOptions = field(default_factory=RedactionOptions)


def sealed_versions(folder: Path) -> tuple[int, ...]:
    """Return the sealed versions of a corpus folder, rising."""
    if not folder.is_dir():
        return ()
    return tuple(sorted(int(p.name) for p in folder.iterdir() if p.name.isdigit() and is_sealed(p)))


def open_corpus(folder: Path) -> Corpus:
    """Open a sealed version after comparing its bytes with its manifest.

    Raises:
        InputError: where it was altered.
    """
    manifest = read_manifest(folder, CorpusRecord)
    verify(folder, manifest)
    record = manifest.record
    return Corpus(
        name=record.name,
        version=record.version,
        digest=record.digest,
        sequence_count=record.sequence_count,
        folder=folder,
    )


def corpus_record(corpus: Corpus) -> CorpusRecord:
    """Return what stands in a sealed corpus's manifest."""
    return read_manifest(corpus.folder, CorpusRecord).record


def read_card(corpus: Corpus) -> DataCard | None:
    """Return a sealed corpus's data card, None where it was sealed before there were any."""
    path = corpus.folder / CARD
    return read_record(DataCard, path) if path.is_file() else None


def read_sequences(corpus: Corpus) -> tuple[CorpusSequence, ...]:
    """Return the sequences of a sealed corpus, in order."""
    return tuple(iterate_sequences(corpus))


def iterate_sequences(corpus: Corpus) -> Iterator[CorpusSequence]:
    """Yield the sequences of a sealed corpus, in order, one in memory at a time."""
    return read_sequence_lines(corpus.folder / SEQUENCES)


def sequences_digest(sequences: Iterable[CorpusSequence]) -> Digest:
    """Return the content digest of sequences in order: the sha256 of the canonical JSON of their contents."""
    sha = hashlib.sha256(b"[")
    for index, sequence in enumerate(sequences):
        sha.update(b"," * bool(index) + canonical_json(content_of(sequence)).encode())
    sha.update(b"]")
    return Digest(sha.hexdigest())


def tokenizer_digest(chat: ChatFormat) -> Digest:
    """Return the identity of a tokenizer with its chat template."""
    return chat.digest


def seal_corpus(
    spec: CorpusSpec,
    sources: Sequence[LocalSource],
    drawn: Drawn,
    chat: ChatFormat | None,
    folder: Path,
) -> Corpus:
    """Seal what was drawn as the next version, or open the one that has this content.

    The caller holds the lock of the corpus's versions.

    Raises:
        InputError: where the version with this content was altered.
        ToolchainError: where the disk is full.
    """
    digest = sequences_digest(drawn.sequences)
    versions = sealed_versions(folder)
    for version in versions:
        if read_manifest(folder / str(version), CorpusRecord).record.digest == digest:
            return open_corpus(folder / str(version))
    version = max(versions, default=0) + 1
    commits = {source.spec.name: source.commit for source in sources if source.commit}
    record = CorpusRecord(
        name=spec.name,
        version=version,
        digest=digest,
        description=spec.description,
        licence=spec.licence,
        seed=spec.seed,
        sequence_count=len(drawn.sequences),
        source_rows=sum(drawn.scanned.rows.values()),
        duplicate_rows=drawn.scanned.passed - drawn.scanned.distinct,
        commits=commits,
        moved=_moved(folder, versions, commits),
        filters=spec.filters,
        redaction=spec.redaction,
    )
    counts = drawn.token_counts
    tokens = None
    if chat is not None and counts is not None:
        tokens = token_statistics(counts, drawn.sequences, tokenizer_digest(chat))
    card = make_card(spec, sources, drawn, digest=digest, tokens=tokens)

    def produce(staging: Path) -> CorpusRecord:
        with (staging / SEQUENCES).open("w", encoding="utf-8") as file:
            file.writelines(sequence_line(sequence) for sequence in drawn.sequences)
        write_record(staging / CARD, card)
        write_text(staging / CARD_PAGE, card_page(card))
        return record

    produce_once(folder / str(version), CorpusRecord, produce)
    return open_corpus(folder / str(version))


def _moved(
    folder: Path, versions: Sequence[int], commits: Mapping[str, str]
) -> tuple[MovedSource, ...]:
    if not versions:
        return ()
    before = read_manifest(folder / str(versions[-1]), CorpusRecord).record.commits
    return tuple(
        MovedSource(name=name, before=before[name], now=commit)
        for name, commit in sorted(commits.items())
        if before.get(name, commit) != commit
    )
