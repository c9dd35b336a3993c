"""The beginnings of files on a hub, where their headers are all that is asked for.

Each becomes a file of its full size whose rest is a hole: who reads its header finds it, and no weight.
"""

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.errors import hub_errors
from quantgate.pipelines.hub.source import HubSettings, HubSource
from quantgate.pipelines.hub.transfer import LIBRARY, Commit, RemoteFile

_FIRST_BYTES = 4 << 20
"""Holds the header of most GGUF files, vocabulary included."""
_TIMES = 4

HeaderEnd = Callable[[Path], int]
"""Returns behind which byte of a file its header ends; it raises CheckpointError for one that is cut off."""


def fetched_heads(
    source: HubSource,
    files: Sequence[RemoteFile],
    header_end: HeaderEnd,
    *,
    store: Store,
    settings: HubSettings,
) -> Path:
    """Return a folder with the beginnings of these files of a pinned revision, by their last names.

    Raises:
        InputError, ServiceError: as `pipelines.hub.source.download`.
    """
    folder = store.downloads(source.repository) / f"{source.revision}.heads"
    commit = settings.commit(source.repository, source.revision)
    for file in files:
        place = folder / file.name
        if not place.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            with hub_errors(source.repository, source.revision, settings.endpoint):
                _fetch_head(commit, file, place, header_end)
    return folder / PurePosixPath(files[0].name).parent


def _fetch_head(commit: Commit, file: RemoteFile, place: Path, header_end: HeaderEnd) -> None:
    part, wanted_bytes = place.with_name(f"{place.name}.part"), _FIRST_BYTES
    while True:
        _fetch_beginning(commit, file, part, wanted_bytes)
        if wanted_bytes >= file.size_bytes or _is_complete(part, wanted_bytes, header_end):
            break
        wanted_bytes *= _TIMES
    part.rename(place)


def _is_complete(part: Path, fetched_bytes: int, header_end: HeaderEnd) -> bool:
    try:
        return header_end(part) <= fetched_bytes
    except CheckpointError:  # what was not fetched is zeros, and no header
        return False


def _fetch_beginning(commit: Commit, file: RemoteFile, part: Path, size_bytes: int) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented
        build_hf_headers,
        get_session,
        hf_raise_for_status,
    )

    url = hf_hub_url(
        commit.repository, file.name, revision=commit.revision, endpoint=commit.endpoint
    )
    headers = build_hf_headers(token=commit.token, library_name=LIBRARY)
    asked = {**headers, "Range": f"bytes=0-{min(size_bytes, file.size_bytes) - 1}"}
    with (
        part.open("wb") as target,
        get_session().stream("GET", url, headers=asked, follow_redirects=True) as response,
    ):
        hf_raise_for_status(response)
        for chunk in response.iter_bytes():  # a server may send all of the file
            target.write(chunk[: size_bytes - target.tell()])
            if target.tell() >= size_bytes:
                break
        target.truncate(file.size_bytes)
