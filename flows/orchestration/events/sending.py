"""Events on their way: sent once to a Prefect server that is configured or runs, for flows that wait."""

import asyncio
import json
import os
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

from quantgate.flows.orchestration.events.happenings import Happening
from quantgate.flows.orchestration.server.api import status
from quantgate.flows.orchestration.server.state import client_environment, health_problem
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.files.records import write_text


def emit(event: Happening, settings: Settings) -> str | None:
    """Send an event to the Prefect server of PREFECT_API_URL, or the store's own where it runs.

    Returns the server's address, None where there is none: nobody waits then, and what is sealed or claimed
    in the store is all there is. An event that this server has had is not sent again.

    Raises:
        ServiceError: a configured server does not answer.
    """
    url = settings.prefect_api or status(settings.store.root).url
    if url is None:
        return None
    receipt = _receipt(event, url, settings)
    if receipt.is_file():
        return url
    if problem := health_problem(url):
        raise ServiceError(
            f"the Prefect API does not answer ({problem})",
            where=url,
            next_step="start it, or unset PREFECT_API_URL; then run the same command again",
            transient=True,
        )
    send(event, url, settings)
    write_text(receipt, json.dumps({"event": event.id, "url": url}) + "\n")
    return url


def tell(events: Iterable[Happening], settings: Settings, say: Callable[[str], None]) -> None:
    """Send events; that one was not taken is said, and stops nothing."""
    for event in events:
        try:
            emit(event, settings)
        except ServiceError as error:
            say(f"{event.event} was not told: {error.what}")


def send(event: Happening, url: str, settings: Settings) -> None:
    """Hand an event to a Prefect API and wait until it is taken.

    Raises:
        ServiceError: it was refused or the connection broke.
    """
    os.environ.update(client_environment(settings.store.root, url, os.environ))
    from prefect.events import Event
    from prefect.events.clients import get_events_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    async def deliver() -> None:
        async with get_events_client() as client:
            await client.emit(Event.model_validate(event.document))

    try:
        with temporary_settings({PREFECT_API_URL: url}):  # Prefect may have been imported before
            asyncio.run(deliver())
    except Exception as error:
        raise ServiceError(
            f"Prefect did not take the event: {error}",
            where=url,
            transient=True,
            next_step="check that PREFECT_API_URL names a Prefect server",
        ) from error


def _receipt(event: Happening, url: str, settings: Settings) -> Path:
    where = sha256(url.encode()).hexdigest()[:8]
    return settings.store.receipts() / f"{event.event}-{event.id}--{where}.json"
