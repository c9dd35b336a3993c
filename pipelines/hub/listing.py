"""What files a repository on a hub holds at a revision, with their checksums."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.hub.transfer import RemoteFile

if TYPE_CHECKING:
    from huggingface_hub import HfApi

COMMIT = re.compile(r"^[0-9a-f]{40}$")
"""A revision that can never mean anything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A commit and all of its files, smallest first."""

    revision: str
    files: tuple[RemoteFile, ...]


def list_files(api: "HfApi", repository: str, revision: str) -> Listing:
    """Resolve a revision once and return what it holds.

    Raises:
        ServiceError: where what answers is no hub.
    """
    from huggingface_hub.errors import HFValidationError

    try:
        listed = api.model_info(repository, revision=revision, files_metadata=True)
    except HFValidationError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ServiceError(
            f"did not answer with a listing of {repository} ({type(error).__name__})",
            where=api.endpoint,
            next_step="check HF_ENDPOINT: something else may answer there",
        ) from error
    if not isinstance(listed.sha, str) or not COMMIT.match(listed.sha):
        raise ServiceError(
            f"gave no commit for {repository}@{revision}",
            next_step="ask the hub again, or pin a full commit after the @",
        )
    files = [
        RemoteFile(
            name=sibling.rfilename,
            size_bytes=sibling.size or 0,
            sha256=sibling.lfs.sha256 if sibling.lfs else None,
            git_blob=sibling.blob_id if not sibling.lfs else None,
        )
        for sibling in listed.siblings or []
    ]
    files.sort(key=lambda file: (file.size_bytes, file.name))
    return Listing(revision=listed.sha, files=tuple(files))
