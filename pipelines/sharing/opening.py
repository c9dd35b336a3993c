"""Which shared store an address names, and whether hosts can share it: one creation of two has to fail."""

import uuid
from pathlib import Path
from urllib.parse import unquote, urlsplit

from quantgate.pipelines.domain.errors import InputError, ServiceError, ToolchainError
from quantgate.pipelines.domain.secrets import redacted
from quantgate.pipelines.sharing.file_objects import FileObjects
from quantgate.pipelines.sharing.objects import SharedObjects

SHARED_VARIABLE = "QUANTGATE_SHARED_STORE"
PROBES = "probes"


def open_objects(address: str) -> SharedObjects:
    """Return the place that an address names; nothing is asked yet.

    Raises:
        InputError: it is no address of a kind that creates an object for one of two.
        ToolchainError: what reaches it is not installed.
    """
    parts = urlsplit(address)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return FileObjects(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        try:
            from quantgate.pipelines.sharing.s3_objects import S3Objects
        except ImportError as error:
            raise ToolchainError(
                "s3fs is not installed",
                where=redacted(address),
                next_step="pip install 'quantgate[s3]'",
            ) from error
        return S3Objects(address)
    raise InputError(
        "is no shared store: s3://bucket/folder and file:///folder are those in which one of two hosts that "
        "create an object is known to be refused",
        where=redacted(address),
        next_step=f"set {SHARED_VARIABLE} to one of these, or leave it out",
    )


def require_shareable(objects: SharedObjects) -> None:
    """See that a place can be written to and read, and refuses to create what exists; clear what was left.

    Raises:
        ServiceError: it does not answer (`transient`), refuses us, or creates an object twice.
    """
    name = f"{PROBES}/{uuid.uuid4().hex}"
    sound = objects.create(name, b"1") and not objects.create(name, b"2")
    sound = sound and objects.read(name) == b"1"
    objects.remove(name)
    if not sound:
        raise ServiceError(
            "creates an object that exists already (no If-None-Match): two hosts would make the same twice",
            where=objects.address,
            next_step="take a service that honours conditional writes, or no shared store",
        )
    objects.clear_left()
