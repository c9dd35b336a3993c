"""Where everything lives: the content-addressed folder tree of one machine or shared file system."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.files.reading import at_home

_KEY_LENGTH = 16

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""`s3://bucket/folder`, also as paths write it: with one slash."""

STORE_VARIABLE = "QUANTGATE_STORE"
STORE_FOLDER = ".quantgate"
VARIANT_FILES = "files"
"""The folder with a variant's files, within the variant's own."""
MANIFEST = "manifest.json"
"""Written last into a folder of the store: where it stands, the folder is complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Paths under one root (default `.quantgate/`). Nothing here creates a folder."""

    root: Path

    def checkpoint(self, digest: Digest) -> Path:
        """What is derived from one checkpoint: its F16 GGUF, its calibration tokens."""
        return self.root / "checkpoints" / digest[:_KEY_LENGTH]

    def download(self, repository: str, revision: str) -> Path:
        """Return where a hub checkpoint is downloaded to."""
        return self.downloads(repository) / revision

    def downloads(self, repository: str) -> Path:
        """All that was downloaded of one repository of a hub."""
        return self.root / "downloads" / repository.replace("/", "--")

    def unpacked(self, name: str, key: Digest) -> Path:
        """Return where the checkpoint that a GGUF file was made into is sealed."""
        return self.root / "unpacked" / f"{name}--{key[:_KEY_LENGTH]}"

    def corpora(self, name: str) -> Path:
        """All versions of one corpus."""
        return self.root / "corpora" / name

    @property
    def variants(self) -> Path:
        """All sealed variants."""
        return self.root / "variants"

    def variant(self, identifier: str, key: Digest) -> Path:
        """One sealed variant."""
        return self.variants / f"{identifier}--{key[:_KEY_LENGTH]}"

    def run(self, subject: str, key: Digest) -> Path:
        """One sealed run: transcript and grades."""
        return self.root / "runs" / f"{subject}--{key[:_KEY_LENGTH]}"

    def run_in_progress(self, subject: str, key: Digest) -> Path:
        """Answers of a run that is not finished; kept so that an interrupted run resumes by item."""
        return self.root / "unfinished" / f"{subject}--{key[:_KEY_LENGTH]}"

    def observations(self, grader: str, key: Digest) -> Path:
        """Return where what a child process observed of answers is sealed."""
        return self.root / "observations" / f"{grader.replace('@', '-')}--{key[:_KEY_LENGTH]}"

    def audit(self, identifier: str, key: Digest) -> Path:
        """One sealed audit."""
        return self.root / "audits" / f"{identifier}--{key[:_KEY_LENGTH]}"

    @property
    def speeds(self) -> Path:
        """Sealed timings of variants beside their bases."""
        return self.root / "speeds"

    def speed(self, identifier: str, key: Digest) -> Path:
        """One sealed timing of a variant beside its base."""
        return self.speeds / f"{identifier}--{key[:_KEY_LENGTH]}"

    def prediction(self, identifier: str, key: Digest) -> Path:
        """What was said of one variant before it was asked; sealed."""
        return self.root / "predictions" / f"{identifier}--{key[:_KEY_LENGTH]}"

    def report(self, build: str) -> Path:
        """One build's pages and results."""
        return self.root / "reports" / build

    def receipts(self) -> Path:
        """What was recorded in which registry, by variant and verdict."""
        return self.root / "receipts"

    def weight_scan(self, weights: Digest) -> Path:
        """What a look at every value of these weights found (NaN, infinity)."""
        return self.root / "weight-scans" / f"{weights}.json"

    @property
    def digest_memory(self) -> Path:
        """Digests of large files, by path, size and mtime."""
        return self.root / "digests.json"

    @property
    def logs(self) -> Path:
        """Logs of child processes."""
        return self.root / "logs"

    @property
    def offloaded(self) -> Path:
        """Weights that memory does not hold, while a child process computes with them."""
        return self.root / "offloaded"


def store_folder(named: str) -> Path:
    """Return the folder that is named as a store.

    Raises:
        InputError: it is an address, or begins with a `~` that is nobody's home.
    """
    if _ADDRESS.match(named) and not Path(named).exists():
        raise InputError(
            "is an address, and a store is a folder",
            where=named,
            next_step="set QUANTGATE_SHARED_STORE to it: the store of this host stays a folder",
        )
    return at_home(named).resolve()


def open_store(
    environment: Mapping[str, str] = os.environ, working_directory: Path | None = None
) -> Store:
    """Return the store that is meant.

    That is the folder named by QUANTGATE_STORE, else the nearest `.quantgate` in the working directory or
    a folder above it, else a new one in the working directory.

    Raises:
        InputError: as `store_folder`, or where the name leads to a file.
    """
    if named := environment.get(STORE_VARIABLE):
        root = store_folder(named)
        if root.is_file():
            raise InputError(
                "is a file, no folder",
                where=str(root),
                next_step=f"set {STORE_VARIABLE} to a folder",
            )
        return Store(root=root)
    start = (working_directory or Path.cwd()).resolve()
    candidates = (folder / STORE_FOLDER for folder in (start, *start.parents))
    nearest = next((folder for folder in candidates if folder.is_dir()), start / STORE_FOLDER)
    return Store(root=nearest)
