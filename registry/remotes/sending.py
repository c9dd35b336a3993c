"""Sending a sealed folder elsewhere: once per content, in parts, going on where an earlier try ended."""

import io
from pathlib import Path

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.files.sealed import Manifest
from quantgate.pipelines.files.store import MANIFEST
from quantgate.pipelines.sharing.parts import PART_BYTES, Part, Slice, parts_of
from quantgate.registry.remotes.remote import RemoteFolder, manifest_name


def send_folder(
    folder: Path,
    manifest: Manifest[object],
    remote: RemoteFolder,
    *,
    part_bytes: int = PART_BYTES,
) -> None:
    """Send what of a sealed folder is not there yet, its manifest last: where that lies, all of it does.

    Builds of one content have a manifest each: they lie side by side.

    Raises:
        ServiceError: the place does not answer or refuses, or does not hold what it was sent.
    """
    written = (folder / MANIFEST).read_bytes()
    parts_named = [
        (file.path, part)
        for file in manifest.files
        for part in parts_of(file.path, file.size_bytes, part_bytes)
    ]
    name_there = manifest_name(manifest.digest)
    there = remote.sizes()
    missing = [
        (name, part) for name, part in parts_named if there.get(part.name) != part.size_bytes
    ]
    if not missing and name_there in there and b"".join(remote.read(name_there, 0)) == written:
        return
    for name, part in missing:
        _send(folder / name, part, remote)
    remote.send(name_there, io.BytesIO(written), len(written))
    there = remote.sizes()
    lost = [part.name for _, part in parts_named if there.get(part.name) != part.size_bytes]
    if lost:
        raise ServiceError(
            f"does not hold what it was sent ({', '.join(lost[:3])})",
            where=remote.address,
            next_step="run the same command again: what arrived whole stays",
            transient=True,
        )


def _send(path: Path, part: Part, remote: RemoteFolder) -> None:
    with io.BufferedReader(Slice(path, part), buffer_size=4 << 20) as content:
        remote.send(part.name, content, part.size_bytes)
