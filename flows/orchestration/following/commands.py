"""Following releases: one look by command, or the same look on a schedule through Prefect."""

import os
from pathlib import Path

from quantgate.flows.build.planning.preparing import prepare
from quantgate.flows.orchestration.following.cron import require_cron
from quantgate.flows.orchestration.following.deployments import Following
from quantgate.flows.orchestration.following.look import look
from quantgate.flows.orchestration.server.api import prefect_api
from quantgate.flows.orchestration.server.registry_pages import NOWHERE, registry_pages
from quantgate.flows.orchestration.server.state import client_environment
from quantgate.flows.orchestration.server.trouble import prefect_errors
from quantgate.flows.progress.board import open_board
from quantgate.flows.releases.watch_list import WATCH_LIST, load_watch_list
from quantgate.flows.releases.webhook import Bell, receiver
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import InputError, InterruptionError, QuantgateError
from quantgate.registry import Tracking

SECRET_VARIABLE = "QUANTGATE_WEBHOOK_SECRET"
_WAIT_SECONDS = 60.0


def watch_command(watch_list: Path | None) -> int:
    """Look once and build what is new; returns the first exit code that is not 0."""
    with open_board() as board:
        outcomes = look(watch_list or WATCH_LIST, board)
    return next((outcome.exit_code for outcome in outcomes if outcome.exit_code), 0)


def serve_command(
    watch_list: Path | None, cron: str, team: str | None, mlflow_port: int = NOWHERE
) -> int:
    """Follow releases on a cron schedule until interrupted, and serve Prefect's and MLflow's pages meanwhile.

    Raises:
        InputError: where the releases file has problems, `cron` is no schedule, or somebody serves the same,
            or something else under the same name.
        ServiceError: Prefect's server goes away.
    """
    chosen = (watch_list or WATCH_LIST).resolve()
    load_watch_list(chosen)
    require_cron(cron)
    settings = Settings.from_environment()
    following = Following.here(chosen, settings.store.root, team)
    prepare(settings.store)
    with (
        open_board() as board,
        following.served_once(),
        prefect_api(settings.store.root, api_url=settings.prefect_api, on_news=board.say) as url,
        registry_pages(
            Tracking.resolve(settings.store, uri=settings.tracking_uri), mlflow_port, board.say
        ) as registry,
    ):
        os.environ.update(client_environment(settings.store.root, url, os.environ))
        os.environ["QUANTGATE_STORE"] = str(settings.store.root)
        from quantgate.flows.orchestration.following.watching import (
            refuse_taken_deployment,
            serve_releases,
        )

        with prefect_errors(url, settings.store.root):
            refuse_taken_deployment(following)
            pages = url.removesuffix("/api")
            if registry is not None:
                board.say(f"verdicts and versions are shown at {registry} (MLflow)")
            board.say(
                f"following {chosen} at '{cron}' as {following.name}; runs are shown at {pages}"
            )
            serve_releases(following, cron)
    return 0


def webhook_command(watch_list: Path | None, host: str, port: int) -> int:
    """Look now, and whenever a message with the right signature or secret comes, until interrupted.

    The first look finds what was published while nobody listened. A look that fails as a whole is said; the
    next message brings the next one.

    Raises:
        InputError: where the releases file has problems, or there is no secret.
        ToolchainError: the port cannot be had.
    """
    chosen = (watch_list or WATCH_LIST).resolve()
    load_watch_list(chosen)
    secret = os.environ.get(SECRET_VARIABLE)
    if not secret:
        raise InputError(
            "is not set",
            where=SECRET_VARIABLE,
            next_step="set it to the secret that the hub was given for its messages",
        )
    bell = Bell()
    with open_board() as board, receiver(host, port, secret, bell) as address:
        board.say(f"following {chosen}; messages are taken at {address}")
        bell.ring()
        while True:
            if not bell.heard(_WAIT_SECONDS):
                continue
            try:
                look(chosen, board)
            except InterruptionError:
                raise
            except QuantgateError as error:
                board.say(str(error))
