"""The scheduled flow: a look at followed releases, as a Prefect deployment."""

from pathlib import Path

from prefect import flow

from flows.following import look
from flows.progress import PlainBoard
from pipelines.domain.values import JsonObject


@flow(name="watch-releases")
def watch_releases(watch_list: str) -> JsonObject:
    """Look once; a new revision is built by the `quantize` flow, as a part of this run."""
    outcomes = look(Path(watch_list), PlainBoard())
    return {outcome.label: outcome.state for outcome in outcomes}


def serve_releases(watch_list: Path, cron: str) -> None:
    """Deploy the look on a cron schedule and serve it until interrupted; the schedule outlives a restart."""
    watch_releases.serve(
        name="releases",
        cron=cron,
        parameters={"watch_list": str(watch_list)},
        pause_on_shutdown=False,
        limit=1,
        print_starting_message=False,
    )
