"""Which kind of place an address is; one row a kind."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from quantgate.pipelines.domain.errors import InputError
from quantgate.registry.places.folder import FolderPlace
from quantgate.registry.protocol import FilePlace, OpenFilePlace
from quantgate.registry.remotes.artifacts import SCHEME
from quantgate.registry.remotes.opening import open_remote
from quantgate.registry.remotes.remote import RemotePlace
from quantgate.registry.tracking import Tracking


def open_folder(address: str, tracking: Tracking) -> FilePlace:  # noqa: ARG001 - a folder is there or not, whatever the registry
    """Open a folder of this machine, or of a file system that it shares."""
    return FolderPlace(Path(address))


def open_elsewhere(address: str, tracking: Tracking) -> FilePlace:
    """Open a folder in MLflow's artifact store, or one that fsspec knows."""
    return RemotePlace(open_remote(address, tracking))


PLACES: Mapping[str, OpenFilePlace] = {
    "": open_folder,
    SCHEME: open_elsewhere,
    **dict.fromkeys(("s3", "gs", "gcs", "az", "abfs", "abfss", "file"), open_elsewhere),
}
"""By the scheme of an address; that of a path is empty."""


def open_place(
    address: str, tracking: Tracking, places: Mapping[str, OpenFilePlace] = PLACES
) -> FilePlace:
    """Return the place that an address names.

    Raises:
        InputError: there is no such kind of place.
    """
    scheme = urlsplit(address).scheme
    if scheme not in places:
        raise InputError(
            f"files at {scheme}:// cannot be fetched by this version of quantgate",
            where=address,
            next_step="update quantgate, or fetch them where they were registered",
        )
    return places[scheme](address, tracking)
