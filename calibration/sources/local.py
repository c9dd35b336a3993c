"""Sources of a corpus as files on this machine, known by their content."""

import glob
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from quantgate.calibration.sources.readers import Kind, reading
from quantgate.calibration.specs.corpus import CorpusSpec, SourceSpec
from quantgate.pipelines.domain.errors import InputError, ToolchainError
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.files.hashing import DigestMemory

_WILD = frozenset("*?[")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRows:
    """Rows of a hub dataset or of traces, as JSON lines here; `commit` is what the hub's revision meant."""

    path: Path
    commit: str = ""


FetchRemote = Callable[[SourceSpec], RemoteRows]
"""Brings a source here that is not a local path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSource:
    """One file of a source. `label` names it within the source, the same on every machine.

    `stem` begins the ids of rows that have none.
    """

    spec: SourceSpec
    path: Path
    kind: Kind
    label: str
    stem: str
    size_bytes: int
    modified_ns: int
    sha256: Digest
    commit: str = ""


def local_sources(
    spec: CorpusSpec, memory: DigestMemory, fetch_remote: FetchRemote | None
) -> tuple[LocalSource, ...]:
    """Return the files of all sources, in an order that does not depend on the spec's.

    Raises:
        InputError: where a file is missing, empty or cannot be read.
        ToolchainError: where a source is not local and the caller cannot bring it here.
        ServiceError, WorkerError: from whoever brings it here.
    """
    files: list[tuple[SourceSpec, Path, str, str]] = []
    for source in sorted(spec.sources, key=lambda source: source.name):
        if source.path is not None:
            files += [(source, path, _label(source, path), "") for path in _files(source.path)]
        elif fetch_remote is None:
            raise ToolchainError(
                "cannot be brought here by this command",
                where=source.name,
                next_step="name files on this machine",
            )
        else:
            remote = fetch_remote(source)
            files.append((source, remote.path, source.name, remote.commit))
    stems = _stems([label for _, _, label, _ in files])
    return tuple(
        _local(source, path, label=label, stem=stem, commit=commit, memory=memory)
        for (source, path, label, commit), stem in zip(files, stems, strict=True)
    )


def refuse_changed(source: LocalSource) -> None:
    """Refuse a file that is not what it was when the build began.

    Raises:
        InputError: naming it.
    """
    with reading(source.path):
        facts = source.path.stat()
    if (facts.st_size, facts.st_mtime_ns) != (source.size_bytes, source.modified_ns):
        raise InputError(
            "was changed while it was read",
            where=str(source.path),
            next_step="run the same command again when nobody writes to it",
        )


def _local(
    source: SourceSpec, path: Path, *, label: str, stem: str, commit: str, memory: DigestMemory
) -> LocalSource:
    if path.is_dir():
        raise InputError(
            "is a folder: name its files, e.g. with *",
            where=str(path),
            next_step="name its files, e.g. FOLDER/*.jsonl",
        )
    with reading(path):
        facts = path.stat()
        if not facts.st_size:
            raise InputError(
                "this source is empty: no rows with content",
                where=str(path),
                next_step="take it out of the spec, or name a file with rows",
            )
        return LocalSource(
            spec=source,
            path=path,
            kind=cast("Kind", path.suffix.removeprefix(".")),
            label=label,
            stem=stem,
            size_bytes=facts.st_size,
            modified_ns=facts.st_mtime_ns,
            sha256=memory.digest(path),
            commit=commit,
        )


def _files(pattern: Path) -> Sequence[Path]:
    if pattern.is_file() or not _WILD & set(str(pattern)):
        return (pattern,)
    places = sorted(Path(place) for place in glob.glob(str(pattern), recursive=True))  # noqa: PTH207 - absolute
    files = [place for place in places if place.is_file()]
    if not files:
        raise InputError(
            "no file is called so",
            where=str(pattern),
            next_step="check how it is spelled; paths begin at the spec's folder",
        )
    return files


def _label(source: SourceSpec, path: Path) -> str:
    """Return the source's name, and the part of the path that a wildcard stood for."""
    if source.path is None or source.path == path:
        return source.name
    parts = source.path.parts
    fixed = next(i for i, part in enumerate(parts) if _WILD & set(part))
    return f"{source.name} {Path(*path.parts[fixed:]).as_posix()}"


def _stems(labels: Sequence[str]) -> list[str]:
    """Return short names where they are unique, else whole ones."""
    short = [Path(label).stem or label for label in labels]
    return [
        stem if short.count(stem) == 1 else label for stem, label in zip(short, labels, strict=True)
    ]
