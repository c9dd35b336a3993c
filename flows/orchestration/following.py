"""Following releases: one look by command, or the same look on a schedule through Prefect."""

import os
from pathlib import Path

from quantgate.flows.build.planning.preparing import prepare
from quantgate.flows.orchestration.cron import require_cron
from quantgate.flows.orchestration.look import look
from quantgate.flows.orchestration.server import prefect_api
from quantgate.flows.orchestration.state import client_environment
from quantgate.flows.progress.board import open_board
from quantgate.flows.releases.watch_list import WATCH_LIST, load_watch_list
from quantgate.flows.settings import Settings


def watch_command(watch_list: Path | None) -> int:
    """Look once and build what is new; returns the first exit code that is not 0."""
    with open_board() as board:
        outcomes = look(watch_list or WATCH_LIST, board)
    return next((outcome.exit_code for outcome in outcomes if outcome.exit_code), 0)


def serve_command(watch_list: Path | None, cron: str) -> int:
    """Follow releases on a cron schedule until interrupted; the project's Prefect server stays meanwhile.

    Raises:
        InputError: where the releases file has problems, or `cron` is no schedule.
    """
    chosen = (watch_list or WATCH_LIST).resolve()
    load_watch_list(chosen)
    require_cron(cron)
    settings = Settings.from_environment()
    prepare(settings.store)
    with (
        open_board() as board,
        prefect_api(settings.store.root, api_url=settings.prefect_api, on_news=board.say) as url,
    ):
        os.environ.update(client_environment(settings.store.root, url, os.environ))
        os.environ["QUANTGATE_STORE"] = str(settings.store.root)
        from quantgate.flows.orchestration.watching import serve_releases

        board.say(f"following {chosen} at '{cron}'; runs are shown at {url.removesuffix('/api')}")
        serve_releases(chosen, cron)
    return 0
