"""The scheduled flow: a look at followed releases, as a Prefect deployment."""

import asyncio
import os
import signal
from pathlib import Path

from prefect import flow, get_client
from prefect.exceptions import ObjectNotFound
from prefect.runner import Runner
from typing_extensions import override

from quantgate.flows.orchestration.following.deployments import FLOW, Following
from quantgate.flows.orchestration.following.look import look
from quantgate.flows.progress.board import plain_board
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.store import STORE_VARIABLE
from quantgate.pipelines.process.signals import Ending


@flow(name=FLOW)
def watch_releases(watch_list: str, store: str) -> JsonObject:
    """Look once at what a releases file follows; each new revision is built, as a part of this run.

    Args:
        watch_list: The releases file, an absolute path on the machine that serves this deployment.
        store: The store that is built into, an absolute path there.
    """
    os.environ[STORE_VARIABLE] = store
    outcomes = look(Path(watch_list), plain_board())
    return {outcome.label: outcome.state for outcome in outcomes}


def refuse_taken_deployment(following: Following) -> None:
    """Look whether the server has a deployment of this name that follows something else.

    Raises:
        InputError: it has.
    """
    with get_client(sync_client=True) as client:
        try:
            there = client.read_deployment_by_name(f"{FLOW}/{following.name}")
        except ObjectNotFound:
            return
    following.refuse_clash(there.parameters, there.tags)


def serve_releases(following: Following, cron: str) -> None:
    """Deploy the look on a cron schedule and serve it; the schedule outlives a restart.

    Raises:
        Ending: at SIGINT, SIGTERM or SIGHUP; a look that is under way is ended first.
    """
    runner = _CancelledRunner(name=following.name, pause_on_shutdown=False, limit=1)
    runner.add_flow(
        watch_releases,
        name=following.name,
        cron=cron,
        parameters=following.parameters,
        tags=following.tags,
        description=f"Follows {following.watch_list} into {following.store} on {following.host}",
    )
    try:
        asyncio.run(runner.serve())
    except asyncio.CancelledError:
        raise Ending(runner.received or signal.SIGTERM) from None
    except Exception:
        if runner.received is None:
            raise
        raise Ending(
            runner.received
        ) from None  # a server that did not answer any more while this ended


class _CancelledRunner(Runner):
    """Prefect's runner, ended by cancelling it: its own way at SIGTERM is a warning and exit code 0."""

    received: int | None = None

    async def serve(self) -> None:
        """Run until a signal comes."""
        self._serving_in, self._serving = asyncio.get_running_loop(), asyncio.current_task()
        for number in (signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._serving_in.add_signal_handler(number, self._cancel, number)
        await self.start()

    @override
    def handle_sigterm(self, *_args: object, **_options: object) -> None:
        """Cancel: Prefect's start makes this the handler, and an exception here would hit any task."""
        self._serving_in.call_soon_threadsafe(self._cancel, signal.SIGTERM)

    def _cancel(self, number: int) -> None:
        self.received = number
        if self._serving is not None:
            self._serving.cancel()
