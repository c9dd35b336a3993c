"""Prefect's many exceptions as one of ours: its server went away, which may pass."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.files.disk.full import full_disk

_LONGEST = 200
_TEXTS = ("Failed to reach API", "Service exceeded error threshold")
"""How RuntimeErrors begin that Prefect makes of a failed first request, and of a poller that failed for long
(`prefect/utilities/services.py`; its runner raises that in a group in a group)."""


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
    except Exception as error:
        causes = tuple(ungrouped(error))
        kinds = (PrefectException, httpx.HTTPError, ConnectionError, TimeoutError)
        if not all(isinstance(cause, kinds) or _is_unreached(cause) for cause in causes):
            raise
        gone = _gone(causes[0], url)
        raise full_disk(gone, store_root) or gone from error


def ungrouped(error: Exception) -> Iterator[Exception]:
    """Yield the errors of a group and of groups in it, or the error itself."""
    if isinstance(error, ExceptionGroup):
        for each in error.exceptions:
            yield from ungrouped(each)
    else:
        yield error


def _is_unreached(error: Exception) -> bool:
    return isinstance(error, RuntimeError) and str(error).startswith(_TEXTS)


def _gone(error: Exception, url: str) -> PrefectGoneError:
    what = f"Prefect's server went away ({first_line(error)})"
    return PrefectGoneError(what, where=url, transient=True)


def first_line(error: Exception) -> str:
    """Return how an error's text begins, or its kind where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:_LONGEST]
