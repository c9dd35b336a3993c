"""Prefect's many exceptions as one of ours: its server went away, which may pass."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.files.disk.full import full_disk

_LONGEST = 200
_UNREACHED = "Failed to reach API"
"""How a RuntimeError begins that Prefect makes of a failed first request."""


class PrefectGoneError(ServiceError):
    """Prefect's server went away; what a flow did until then is in the store."""


@contextmanager
def prefect_errors(url: str, store_root: Path) -> Iterator[None]:
    """Translate what Prefect's client raises inside the block; Prefect is imported already.

    Raises:
        PrefectGoneError: it did not answer, was busy (503) or refused; `transient`.
        ToolchainError: the store's disk is full, which is why.
    """
    import httpx
    from prefect.exceptions import PrefectException

    try:
        yield
    except (PrefectException, httpx.HTTPError, ConnectionError, TimeoutError) as error:
        gone = _gone(error, url)
        raise full_disk(gone, store_root) or gone from error
    except RuntimeError as error:
        if not str(error).startswith(_UNREACHED):
            raise
        raise _gone(error, url) from error


def _gone(error: Exception, url: str) -> PrefectGoneError:
    what = f"Prefect's server went away ({_first_line(error)})"
    return PrefectGoneError(what, where=url, transient=True)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:_LONGEST]
