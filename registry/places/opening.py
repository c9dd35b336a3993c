"""Which kind of place an address is: a folder here, or one elsewhere that can be reached."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from quantgate.registry.file_places import FilePlace, OpenFilePlace
from quantgate.registry.places.folder import FolderPlace
from quantgate.registry.remotes.opening import open_remote
from quantgate.registry.remotes.remote import RemotePlace
from quantgate.registry.tracking import Tracking


def open_folder(address: str, tracking: Tracking) -> FilePlace:  # noqa: ARG001 - a folder is there or not, whatever the registry
    """Open a folder of this machine, or of a file system that it shares."""
    return FolderPlace(Path(address))


def open_elsewhere(address: str, tracking: Tracking) -> FilePlace:
    """Open a folder in MLflow's artifact store, or one that fsspec knows."""
    return RemotePlace(open_remote(address, tracking))


PLACES: Mapping[str, OpenFilePlace] = {"": open_folder}
"""By the scheme of an address; that of a path is empty. Weights may go to any other that fsspec knows."""


def open_place(
    address: str, tracking: Tracking, places: Mapping[str, OpenFilePlace] = PLACES
) -> FilePlace:
    """Return the place that an address names.

    Raises:
        ToolchainError: nothing that is installed reaches such a place.
    """
    return places.get(urlsplit(address).scheme, open_elsewhere)(address, tracking)
