"""huggingface-hub's many exceptions as this program's few."""

from collections.abc import Iterator
from contextlib import contextmanager

from quantgate.pipelines.domain.errors import (
    InputError,
    QuantgateError,
    ServiceError,
    ToolchainError,
)

_TOO_MANY_REQUESTS, _TIMEOUT, _SERVER_ERROR = 429, 408, 500


@contextmanager
def hub_errors(repository: str, revision: str, endpoint: str) -> Iterator[None]:
    """Translate what huggingface-hub raises inside the block.

    Raises:
        InputError: the repository or the revision does not exist, or the name cannot be one.
        ServiceError: gated, refused, unreachable, offline; `transient` where waiting may help.
    """
    import httpx
    from huggingface_hub import errors

    from quantgate.pipelines.hub.bounds import bound_session

    bound_session()
    try:
        yield
    except QuantgateError:
        raise
    except (errors.HfHubHTTPError, errors.OfflineModeIsEnabled, errors.HFValidationError) as error:
        raise _translated(error, repository, revision, endpoint) from error
    except (httpx.HTTPError, errors.LocalEntryNotFoundError) as error:
        raise ServiceError(
            f"the hub at {endpoint} did not answer ({type(error).__name__})",
            where=repository,
            next_step="check the network, or name a local folder instead",
            transient=True,
        ) from error
    except OSError as error:
        raise _of_the_disk(error, repository) from error


def _of_the_disk(error: OSError, repository: str) -> QuantgateError:
    """A full disk; or, without a number, huggingface-hub's complaint about a file of another size."""
    if error.errno is None:
        return ServiceError(
            f"a file did not arrive whole ({str(error).splitlines()[0]})",
            where=repository,
            next_step="run the same command again",
            transient=True,
        )
    return ToolchainError(
        f"the download could not be written ({error.strerror})",
        where=error.filename or repository,
        next_step="make room, or put the store on another disk",
    )


def _translated(error: Exception, repository: str, revision: str, endpoint: str) -> QuantgateError:
    from huggingface_hub import errors

    match error:
        case errors.GatedRepoError():
            return ServiceError(
                "is gated: its owner has to grant you access",
                where=repository,
                next_step=f"accept its conditions at {endpoint}/{repository}, then set HF_TOKEN",
            )
        case errors.RepositoryNotFoundError():
            return InputError(
                f"there is no folder and no model of this name at {endpoint} (or it is private)",
                where=repository,
                next_step="check the spelling; for a private model set HF_TOKEN",
            )
        case errors.RevisionNotFoundError():
            return InputError(
                f"has no revision '{revision}'",
                where=repository,
                next_step="name a branch, a tag or a full commit after the @",
            )
        case errors.HFValidationError():
            return InputError(
                f"is not a repository name ({error})",
                where=repository,
                next_step="write it as org/name[@revision]",
            )
        case errors.OfflineModeIsEnabled():
            return ServiceError(
                "cannot be asked for: HF_HUB_OFFLINE is set",
                where=repository,
                next_step="unset it, or pin a revision that is already downloaded",
            )
        case errors.HfHubHTTPError():
            status = error.response.status_code
            return ServiceError(
                f"the hub at {endpoint} refused with status {status}",
                where=repository,
                next_step="set HF_TOKEN where the model is private"
                if status < _SERVER_ERROR
                else None,
                transient=status >= _SERVER_ERROR or status in (_TOO_MANY_REQUESTS, _TIMEOUT),
            )
        case _:
            return ServiceError(
                f"the hub at {endpoint} failed ({error})",
                where=repository,
                next_step="run the same command again; HF_ENDPOINT names another hub",
            )
