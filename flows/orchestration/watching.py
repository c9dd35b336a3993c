"""The scheduled flow: a look at followed releases, as a Prefect deployment."""

import asyncio
import signal
from pathlib import Path

from prefect import flow
from prefect.runner import Runner
from typing_extensions import override

from quantgate.flows.orchestration.look import look
from quantgate.flows.progress.board import PlainBoard
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.process.signals import Ending


@flow(name="watch-releases")
def watch_releases(watch_list: str) -> JsonObject:
    """Look once; a new revision is built by the `quantize` flow, as a part of this run."""
    outcomes = look(Path(watch_list), PlainBoard())
    return {outcome.label: outcome.state for outcome in outcomes}


def serve_releases(watch_list: Path, cron: str) -> None:
    """Deploy the look on a cron schedule and serve it; the schedule outlives a restart.

    Raises:
        Ending: at SIGINT, SIGTERM or SIGHUP; a look that is under way is ended first.
    """
    runner = _CancelledRunner(name="releases", pause_on_shutdown=False, limit=1)
    runner.add_flow(
        watch_releases,
        name="releases",
        cron=cron,
        parameters={"watch_list": str(watch_list)},
    )
    try:
        asyncio.run(runner.serve())
    except asyncio.CancelledError:
        raise Ending(runner.received or signal.SIGTERM) from None


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
