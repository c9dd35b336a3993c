"""Objects in a bucket (`s3://bucket/prefix`), through fsspec's s3fs.

Logins are the usual AWS_… variables and files, AWS_ENDPOINT_URL included (https://s3fs.readthedocs.io).
Creation is a PUT with `If-None-Match: *`, which S3 answers with 412 where the object exists, and with 409
where two were at it: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    ProfileNotFound,
)
from botocore.exceptions import ConnectionError as NetworkError
from s3fs import S3FileSystem
from typing_extensions import override

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.domain.secrets import redacted
from quantgate.pipelines.files.interruption import INTERRUPTION
from quantgate.pipelines.sharing.objects import SharedObjects, StoredObject

_SECONDS_TO_CONNECT, _SECONDS_TO_ANSWER = 5, 60
_TRIES = 2
_PIECE_BYTES = 8 << 20
_EXISTS = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
_LATER = ("SlowDown", "RequestTimeout", "TooManyRequests")
_NOT_A_BUCKET = ("NoSuchBucket", "InvalidBucketName")


class S3Objects(SharedObjects):
    """A prefix of a bucket."""

    def __init__(self, address: str, called: str = "the shared store") -> None:
        """Nothing is asked yet; `address` is `s3://bucket[/prefix]`, `called` is what errors call it."""
        self._address, self._called = address.rstrip("/"), called
        self._root = self._address.removeprefix("s3://")
        self._files: Any = S3FileSystem(
            use_listings_cache=False,
            skip_instance_cache=True,
            config_kwargs={
                "connect_timeout": _SECONDS_TO_CONNECT,
                "read_timeout": _SECONDS_TO_ANSWER,
                "retries": {"mode": "standard", "total_max_attempts": _TRIES},
            },
        )
        self._files.retries = _TRIES

    @property
    @override
    def address(self) -> str:
        return redacted(self._address)

    @override
    def prepare(self) -> None:
        """A bucket is there or not: no mark is needed."""

    @override
    def clear_left(self) -> None:
        """Nothing: an object is there whole or not at all."""

    @override
    def read(self, name: str) -> bytes | None:
        with self._translated():
            try:
                content: bytes = self._files.cat_file(
                    self._path(name), max_concurrency=1
                )  # more would ask for the size first
            except FileNotFoundError as error:
                if _code(error) in _NOT_A_BUCKET:
                    raise
                return None
            return content

    @override
    def write(self, name: str, content: bytes) -> None:
        with self._translated():
            self._files.pipe_file(self._path(name), content, chunksize=_whole(content))

    @override
    def create(self, name: str, content: bytes) -> bool:
        with self._translated():
            try:
                self._files.pipe_file(
                    self._path(name), content, chunksize=_whole(content), mode="create"
                )
            except OSError as error:
                if isinstance(error, FileExistsError) or _code(error) in _EXISTS:
                    return False
                raise
            return True

    @override
    def remove(self, name: str) -> None:
        with self._translated():
            try:
                self._files.rm_file(self._path(name))
            except FileNotFoundError:
                return

    @override
    def listed(self, prefix: str) -> Mapping[str, StoredObject]:
        bucket, _, root = self._path("").partition("/")
        with self._translated():
            return {
                entry["Key"].removeprefix(root): StoredObject(
                    size_bytes=int(entry["Size"]),
                    modified_at=entry["LastModified"].timestamp(),
                    entity_tag=str(entry.get("ETag", "")).strip('"'),
                )
                for entry in self._entries(bucket, root + prefix)
            }

    def fetch(self, name: str, target: Path) -> None:
        """Write an object into a new file, in pieces.

        Raises:
            InterruptionError: the program is being ended.
            ServiceError: it is gone, or the place does not answer.
            OSError: this machine's disk is full.
        """
        with target.open("xb") as file:
            with self._translated():
                source = self._files.open(self._path(name), "rb", cache_type="readahead")
            with source:
                while content := self._piece(source):
                    INTERRUPTION.check(where=name)
                    file.write(content)

    def _piece(self, source: Any) -> bytes:
        with self._translated():
            content: bytes = source.read(_PIECE_BYTES)
            return content

    def _entries(self, bucket: str, prefix: str) -> Iterator[Any]:
        """Yield a listing, page by page: s3fs's own takes three requests where there is nothing."""
        more: dict[str, str] = {}
        while True:
            page = self._files.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, **more)
            yield from page.get("Contents", ())
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what s3fs and botocore raise into a ServiceError that names the address."""
        try:
            yield
        except (OSError, BotoCoreError, ClientError, ValueError) as error:
            said = " ".join(str(error).split()) or type(error).__name__
            refused = isinstance(error, PermissionError | NoCredentialsError | ProfileNotFound)
            no_bucket = isinstance(error, FileNotFoundError)
            raise ServiceError(
                f"{self._called} {'refuses us' if refused else 'cannot be used'} ({said[:300]})",
                where=self.address,
                next_step="correct the login (AWS_… variables or files) or its rights"
                if refused
                else "correct the bucket's name or make the bucket"
                if no_bucket
                else "look at that service and its address (AWS_ENDPOINT_URL)",
                transient=not (refused or no_bucket) and _may_pass(error),
            ) from error


def _whole(content: bytes) -> int:
    """Return a chunk size with which s3fs sends all in one request: a condition holds for one request."""
    return len(content) + 1


def _code(error: Exception) -> str:
    """Return the code with which S3 refused, '' where it was something else."""
    cause = error if isinstance(error, ClientError) else error.__cause__
    return str(cause.response["Error"].get("Code", "")) if isinstance(cause, ClientError) else ""


def _may_pass(error: Exception) -> bool:
    """Whether the same request may succeed later: the network's trouble, or the server's own."""
    cause = error if isinstance(error, ClientError) else error.__cause__
    if isinstance(cause, ClientError):
        status = cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        served_badly = (
            status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED
        )
        return bool(served_badly or _code(error) in _LATER)
    return isinstance(error, OSError | NetworkError | HTTPClientError)
