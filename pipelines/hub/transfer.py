"""Fetching the files of one commit: each goes on where an earlier attempt stopped, and is compared."""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from quantgate.pipelines.domain.errors import ServiceError, ToolchainError
from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.process.calls import OnProgress, Progress

_PART = ".part"
LIBRARY = "quantgate"
"""What a hub is told that asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file as the hub lists it; large files carry a sha256, all others git's blob id."""

    name: str
    size_bytes: int
    sha256: str | None
    git_blob: str | None
    entity_tag: str | None = None

    @property
    def checksum(self) -> str:
        """What tells this content from another, as far as the hub says."""
        return self.sha256 or self.git_blob or self.entity_tag or f"{self.size_bytes} bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit of a repository on a hub."""

    endpoint: str
    repository: str
    revision: str
    token: str | None = field(repr=False)


def fetch(
    commit: Commit, files: Sequence[RemoteFile], folder: Path, on_progress: OnProgress
) -> None:
    """Fetch the files into `folder`. One that stands there under its own name was fetched and compared.

    Raises:
        ServiceError: a file arrived with other bytes than the hub lists; only that file is dropped.
        ToolchainError: the disk is too small.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [file for file in files if not (folder / file.name).is_file()]
    _require_space(folder, missing)
    total = sum(file.size_bytes for file in files)
    meter = _Meter(on_progress, total=total, done=total - sum(f.size_bytes for f in missing))
    for file in missing:
        part = folder / (file.name + _PART)
        part.parent.mkdir(parents=True, exist_ok=True)
        meter.begin(file, part.stat().st_size if part.exists() else 0)
        _fetch_file(commit, file, part, meter)
        _compare(part, file, commit.repository)
        part.rename(folder / file.name)


def move_in(names: Mapping[str, str], partial: Path, staging: Path) -> None:
    """Move fetched files into the folder that is to be sealed: from their names on the hub to those there."""
    for name, there in names.items():
        (staging / there).parent.mkdir(parents=True, exist_ok=True)
        (partial / name).rename(staging / there)
    shutil.rmtree(partial)


def _fetch_file(commit: Commit, file: RemoteFile, part: Path, meter: "_Meter") -> None:
    # Not `hf_hub_download`: since 1.30 it starts a file anew in every process that fetches it.
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented

    url = hf_hub_url(
        commit.repository, file.name, revision=commit.revision, endpoint=commit.endpoint
    )
    with part.open("ab") as target:
        if target.tell() > file.size_bytes:
            target.truncate(0)
        http_get(
            url,
            target,
            resume_size=target.tell(),
            headers=build_hf_headers(token=commit.token, library_name=LIBRARY),
            expected_size=file.size_bytes,
            displayed_filename=file.name,
            tqdm_class=meter.bar,  # type: ignore[arg-type]  # documented: any callable that counts
        )


def _compare(part: Path, file: RemoteFile, repository: str) -> None:
    """Compare with the hub's own checksum; huggingface-hub itself compares sizes only."""
    if file.sha256 is not None:
        same = file_digest(part) == file.sha256
    elif file.git_blob is not None:
        content = part.read_bytes()
        same = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() == file.git_blob
    else:
        same = part.stat().st_size == file.size_bytes
    if not same:
        part.unlink()
        raise ServiceError(
            f"{file.name} arrived with other bytes than the hub lists for it",
            where=repository,
            next_step="run the same command again; only this file is fetched anew",
            transient=True,
        )


def _require_space(folder: Path, files: Sequence[RemoteFile]) -> None:
    needed_bytes, free_bytes = sum(f.size_bytes for f in files), shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise ToolchainError(
            f"the download needs {needed_bytes:,} bytes, {free_bytes:,} are free",
            where=str(folder),
            next_step="make room, or put the store on another disk",
        )


class _Meter:
    """Counts bytes over all files for huggingface-hub, which knows only progress bars."""

    def __init__(self, on_progress: OnProgress, *, total: int, done: int) -> None:
        self._report = on_progress
        self._total = total
        self._done = done
        self._what = ""

    def begin(self, file: RemoteFile, there_bytes: int) -> None:
        """Name the next file, of which some bytes may be there already."""
        self._what = f"downloading {file.name}"
        self.update(there_bytes)

    def bar(self, **_: object) -> "_Meter":
        """Stand in for the progress bar's class."""
        return self

    def update(self, size_bytes: int) -> None:
        """Count bytes; negative where the hub made huggingface-hub start a file again."""
        self._done += size_bytes
        self._report(Progress(done=self._done, total=self._total, what=self._what))

    def __enter__(self) -> "_Meter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is held."""
