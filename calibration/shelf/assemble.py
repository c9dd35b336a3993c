"""From a spec to a sealed, versioned corpus. The same spec on the same sources gives the same bytes."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from quantgate.calibration.drawing.building import Drawn, draw
from quantgate.calibration.resources import BuildResources
from quantgate.calibration.shelf.card import mix_rows
from quantgate.calibration.shelf.sealing import (
    open_corpus,
    seal_corpus,
    tokenizer_digest,
)
from quantgate.calibration.sources.local import LocalSource, local_sources, refuse_changed
from quantgate.calibration.specs.corpus import CorpusSpec
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.files.hashing import DigestMemory
from quantgate.pipelines.files.locks import exclusive
from quantgate.pipelines.files.records import read_record, to_json, write_record
from quantgate.pipelines.files.sealed import is_sealed
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.files.store import Store

_TOLERATED_SHARE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class _Receipt:
    """Which version came of a spec and sources: what lets a build that was done before end at once."""

    version: int


def build_corpus(spec: CorpusSpec, store: Store, resources: BuildResources | None = None) -> Corpus:
    """Seal the corpus that a spec describes, or return the version that already has this content.

    The version rises when and only when the content changes. Builds of one name wait for each other.
    Without a `place`, sources have to be local text files.

    Raises:
        InputError: where sources are unusable, have too few rows, or a sealed version was altered.
        ServiceError, WorkerError, ToolchainError: from the hub, from child processes, from the disk.
    """
    resources = resources or BuildResources(store=store)
    sources = local_sources(spec, DigestMemory(store.digest_memory), resources.fetch_remote)
    chat = _chat(spec, resources)
    key = _key(spec, sources, chat)
    folder = store.corpora(spec.name)
    receipt = folder / ".receipts" / f"{key[:16]}.json"
    with exclusive(folder / ".versions.lock"):
        if sealed_before := _version_of(folder, receipt):
            return sealed_before
        scratch = _scratch(store, spec.name, key)
        drawn = draw(spec, sources, resources, chat=chat, scratch=scratch)
        for source in sources:
            refuse_changed(source)
        _refuse_shortfall(spec, drawn)
        corpus = seal_corpus(spec, sources, drawn, chat, folder)
        write_record(receipt, _Receipt(version=corpus.version))
        shutil.rmtree(scratch, ignore_errors=True)
    return corpus


def _version_of(folder: Path, receipt: Path) -> Corpus | None:
    """Return the version that a receipt names, where it is still there."""
    try:
        version = read_record(_Receipt, receipt).version
    except InputError:  # there is none, or it is damaged: then the work is done again
        return None
    return open_corpus(folder / str(version)) if is_sealed(folder / str(version)) else None


def _chat(spec: CorpusSpec, resources: BuildResources) -> ChatFormat | None:
    if spec.tokenizer is None:
        return None
    local = spec.folder / spec.tokenizer
    return resources.chat_of(str(local) if local.is_dir() else spec.tokenizer)


def _key(spec: CorpusSpec, sources: Sequence[LocalSource], chat: ChatFormat | None) -> Digest:
    """Identity of all that decides what is sealed, and of the code that does it."""
    plain = replace(
        spec,
        folder=Path(),
        description="",
        sources=tuple(replace(source, path=None) for source in spec.sources),
    )
    return digest_of(
        {
            "spec": to_json(plain),
            "sources": [
                [source.label, source.stem, source.sha256, source.commit] for source in sources
            ],
            "tokenizer": tokenizer_digest(chat) if chat else None,
            "code": source_digest(__name__),
        }
    )


def _scratch(store: Store, name: str, key: Digest) -> Path:
    """Return the folder that keeps this build's parts; parts of the name's earlier builds are removed."""
    unfinished = store.root / "unfinished"
    scratch = unfinished / f"corpus-{name}@{key[:16]}"
    for other in unfinished.glob(f"corpus-{name}@*"):
        if other != scratch:
            shutil.rmtree(other, ignore_errors=True)
    scratch.mkdir(parents=True, exist_ok=True)
    return scratch


def _refuse_shortfall(spec: CorpusSpec, drawn: Drawn) -> None:
    """Refuse a sample that is smaller than asked for, or misses its mix."""
    where, count = f"corpus {spec.name}", len(drawn.sequences)
    tokens = sum(drawn.token_counts or ())
    enough_tokens = spec.tokens is not None and tokens >= spec.tokens
    if spec.sequences is not None and count < spec.sequences and not enough_tokens:
        raise InputError(
            f"{spec.sequences} sequences are asked for and the sources hold {count} distinct ones",
            where=where,
            next_step="lower `sequences` or add sources",
        )
    if spec.sequences is None and not enough_tokens:
        raise InputError(
            f"{spec.tokens} tokens are asked for and the sources hold {tokens}",
            where=where,
            next_step="lower `tokens` or add sources",
        )
    if spec.mix.shortfall == "spread":
        return
    short = [
        f"{row.dimension} '{row.value}' is to have {row.share * count:.0f} and has {row.sequences}"
        for row in mix_rows(spec, drawn)
        if row.sequences < row.share * count - 1 - _TOLERATED_SHARE * count
    ]
    if short:
        raise InputError(
            f"the sources do not hold the mix in {count} sequences: {'; '.join(short)}",
            where=where,
            next_step="change the weights, lower `sequences`, or say `shortfall: spread`",
        )
