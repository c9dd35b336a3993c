"""From sources to a sealed, versioned corpus. The same spec on the same sources gives the same bytes."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from calibration.sources import read_source
from calibration.spec import CorpusSpec
from pipelines.domain.corpus import Corpus, CorpusSequence
from pipelines.domain.errors import InputError
from pipelines.domain.values import Digest, JsonValue, digest_of
from pipelines.files.locks import exclusive
from pipelines.files.records import from_json, to_json, write_text
from pipelines.files.sealed import is_sealed, produce_once, read_manifest, verify
from pipelines.files.store import Store

SEQUENCES = "sequences.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusRecord:
    """What stands in a sealed corpus's manifest: identity, and how the rows came about.

    `digest` covers the sequences in order and nothing else, so that a reworded description does not
    make another corpus.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Sequences chosen from the sources, with what was left out."""

    sequences: tuple[CorpusSequence, ...]
    source_rows: int
    duplicate_rows: int

    @property
    def digest(self) -> Digest:
        """Content digest over the sequences in order."""
        return digest_of([_content(sequence) for sequence in self.sequences])


def sample(spec: CorpusSpec) -> Sample:
    """Choose `spec.sequences` distinct rows: those whose hash with the seed is smallest.

    That makes the choice independent of file order and machine, and a larger number a superset.

    Raises:
        InputError: where sources cannot be read or have fewer distinct rows than asked for.
    """
    chosen: dict[Digest, tuple[str, CorpusSequence]] = {}
    source_rows = 0
    for source in spec.sources:
        for sequence in read_source(source):
            source_rows += 1
            content = digest_of(_content(sequence))
            rank = hashlib.sha256(f"{spec.seed}:{content}".encode()).hexdigest()
            chosen.setdefault(content, (rank, sequence))
    if len(chosen) < spec.sequences:
        raise InputError(
            f"{spec.sequences} sequences are asked for and the sources hold {len(chosen)} "
            "distinct ones",
            where=f"corpus {spec.name}",
            next_step="lower `sequences` or add sources",
        )
    ranked = sorted(chosen.values(), key=lambda entry: entry[0])[: spec.sequences]
    return Sample(
        sequences=tuple(sequence for _, sequence in ranked),
        source_rows=source_rows,
        duplicate_rows=source_rows - len(chosen),
    )


def build_corpus(spec: CorpusSpec, store: Store) -> Corpus:
    """Seal the corpus that a spec describes, or return the version that already has this content.

    The version rises when and only when the content changes.

    Raises:
        InputError: where sources are unusable or a sealed version was altered.
    """
    chosen = sample(spec)
    folder = store.corpora(spec.name)
    with exclusive(folder / ".versions.lock"):
        versions = sealed_versions(folder)
        for version in versions:
            record = read_manifest(folder / str(version), CorpusRecord).record
            if record.digest == chosen.digest:
                return open_corpus(folder / str(version))
        return _seal(spec, chosen, folder / str(max(versions, default=0) + 1))


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


def read_sequences(corpus: Corpus) -> tuple[CorpusSequence, ...]:
    """Return the sequences of a sealed corpus, in order."""
    lines = (corpus.folder / SEQUENCES).read_text(encoding="utf-8").split("\n")
    return tuple(from_json(CorpusSequence, json.loads(line)) for line in lines if line)


def _seal(spec: CorpusSpec, chosen: Sample, folder: Path) -> Corpus:
    def produce(staging: Path) -> CorpusRecord:
        lines = [json.dumps(to_json(s), ensure_ascii=False) for s in chosen.sequences]
        write_text(staging / SEQUENCES, "\n".join(lines) + "\n")
        return CorpusRecord(
            name=spec.name,
            version=int(folder.name),
            digest=chosen.digest,
            description=spec.description,
            licence=spec.licence,
            seed=spec.seed,
            sequence_count=len(chosen.sequences),
            source_rows=chosen.source_rows,
            duplicate_rows=chosen.duplicate_rows,
        )

    produce_once(folder, CorpusRecord, produce)
    return open_corpus(folder)


def _content(sequence: CorpusSequence) -> JsonValue:
    turns: list[JsonValue] = [[message.role, message.content] for message in sequence.messages]
    return [sequence.text, *turns]
