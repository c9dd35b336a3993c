"""Which kind of folder elsewhere an address is."""

from urllib.parse import urlsplit

from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.domain.secrets import redacted
from quantgate.registry.remotes.artifacts import SCHEME, ArtifactFolder
from quantgate.registry.remotes.remote import RemoteFolder
from quantgate.registry.tracking import Tracking


def open_remote(address: str, tracking: Tracking) -> RemoteFolder:
    """Return the folder elsewhere that an address names; nothing is asked yet.

    Raises:
        ToolchainError: what reaches it is not installed.
    """
    if urlsplit(address).scheme == SCHEME:
        return ArtifactFolder(address, tracking)
    try:
        from quantgate.registry.remotes.objects import ObjectFolder
    except ImportError as error:
        raise ToolchainError(
            "fsspec is not installed, and nothing else reaches that",
            where=redacted(address),
            next_step="pip install fsspec (and s3fs for s3://, gcsfs for gs://)",
        ) from error
    return ObjectFolder(address)
