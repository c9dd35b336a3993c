"""Links in a checkpoint's folder: what is read, hashed and copied has to lie in that folder itself."""

import os
from collections.abc import Iterator
from pathlib import Path

from quantgate.pipelines.domain.errors import CheckpointError


def refuse_leaving_links(folder: Path, *, where: str) -> None:
    """Refuse links whose target is not in the checkpoint's folder: it may change, or be somebody else's.

    The hub's own cache keeps `models--ORG--NAME/snapshots/REVISION` as links into `blobs` two levels up,
    named by their content: those stay within the repository's folder and are taken.

    Raises:
        CheckpointError: naming the first such link and where it points.
    """
    homes = [folder.resolve(), *_hub_cache_blobs(folder)]
    for link in sorted(_links(folder)):
        target = Path(os.path.realpath(link))
        if not target.exists():
            raise CheckpointError(
                f"{link.relative_to(folder)} is a link that points nowhere ({link.readlink()})",
                where=where,
                next_step="copy the file into the folder",
            )
        if not any(target.is_relative_to(home) for home in homes):
            raise CheckpointError(
                f"{link.relative_to(folder)} is a link that leaves the checkpoint's folder, to {target}",
                where=where,
                next_step="copy the file into the folder",
            )


def _hub_cache_blobs(folder: Path) -> list[Path]:
    place = folder.resolve()
    blobs = place.parent.parent / "blobs"
    return [blobs] if place.parent.name == "snapshots" and blobs.is_dir() else []


def _links(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder, followlinks=False):
        yield from (
            entry for name in (*folders, *files) if (entry := Path(place, name)).is_symlink()
        )
