"""Files that an earlier download holds already: a new revision gets them as second names."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.sealed import read_sealed
from quantgate.pipelines.files.store import MANIFEST, Store
from quantgate.pipelines.hub.downloads import Download
from quantgate.pipelines.hub.transfer import RemoteFile


def lay_held_files(files: Sequence[RemoteFile], store: Store, folder: Path) -> None:
    """Give files of equal sha256 in sealed downloads their names in `folder`; what is there stays.

    Where the file system has no second names, a file is copied. A download that was altered gives nothing.
    """
    missing = {
        file.sha256: file
        for file in files
        if file.sha256 is not None and not (folder / file.name).exists()
    }
    if not missing:
        return
    for sha256, held in _held(store):
        file = missing.pop(sha256, None)
        if file is not None:
            second_name(held, folder / file.name)
        if not missing:
            return


def _held(store: Store) -> Iterator[tuple[str, Path]]:
    """Yield digest and place of every file of every download, the newest first."""
    manifests = sorted(
        (store.root / "downloads").glob(f"*/*/{MANIFEST}"),
        key=lambda path: path.stat().st_mtime_ns,
        reverse=True,
    )
    for manifest in manifests:
        with suppress(InputError):
            for file in read_sealed(manifest.parent, Download).files:
                yield file.sha256, manifest.parent / file.path


def second_name(held: Path, target: Path) -> None:
    """Give a file another name; where the file system has no second names, copy it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(held, target)
    except OSError:
        beside = target.with_name(f".{target.name}.copy")
        shutil.copyfile(held, beside)
        beside.rename(target)
