"""A folder in the artifact store behind an MLflow server that proxies it (`mlflow-artifacts:/…`).

Its REST interface: https://mlflow.org/docs/latest/self-hosting/architecture/artifact-store/ (`PUT`, `GET` and
a listing of `/api/2.0/mlflow-artifacts/artifacts`). Bodies are streamed; a server that loses one in between
keeps the beginning as if it were all, so sizes are compared after sending.
"""

from collections.abc import Iterator, Mapping
from typing import BinaryIO

from pydantic import BaseModel
from typing_extensions import override

from quantgate.registry.reading.server import AbsentError, ServerRequests
from quantgate.registry.remotes.remote import RemoteFolder
from quantgate.registry.tracking import Tracking

SCHEME = "mlflow-artifacts"
_ROUTE = "api/2.0/mlflow-artifacts/artifacts"


class _Entry(BaseModel):
    path: str
    is_dir: bool = False
    file_size: int = 0


class _Listing(BaseModel):
    files: tuple[_Entry, ...] = ()


class ArtifactFolder(RemoteFolder):
    """A folder by its path in a server's artifact store."""

    def __init__(self, address: str, tracking: Tracking) -> None:
        """Nothing is asked yet; `address` is `mlflow-artifacts:/path`, the server the tracking's."""
        self._address = address
        self._path = address.partition(":")[2].strip("/")
        self._server = ServerRequests(tracking)

    @property
    @override
    def address(self) -> str:
        return self._address

    @override
    def sizes(self) -> Mapping[str, int]:
        return dict(self._listed(""))

    @override
    def send(self, name: str, content: BinaryIO, size_bytes: int) -> None:
        self._server.send(f"{_ROUTE}/{self._path}/{name}", content, size_bytes)

    @override
    def read(self, name: str, start: int) -> Iterator[bytes]:
        skipped = start  # the interface knows no ranges
        for piece in self._server.pieces(f"{_ROUTE}/{self._path}/{name}"):
            if skipped < len(piece):
                yield piece[skipped:]
            skipped = max(0, skipped - len(piece))

    def _listed(self, below: str) -> Iterator[tuple[str, int]]:
        query = {"path": f"{self._path}/{below}".rstrip("/")}
        try:
            answer = _Listing.model_validate_json(self._server.content(_ROUTE, query))
        except AbsentError:
            return
        except ValueError as error:
            raise self._server.malformed(_ROUTE) from error
        for entry in answer.files:
            name = below + entry.path.rpartition("/")[2]
            if entry.is_dir:
                yield from self._listed(f"{name}/")
            else:
                yield name, entry.file_size
