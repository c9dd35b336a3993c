"""Running a plan as a Prefect flow, against the server that is configured or a project-local one."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from quantgate.flows.build.errors import forget_errors
from quantgate.flows.build.outcome import COMPLETION, BuildResult, read_complete
from quantgate.flows.build.plan import BuildPlan, make_plan, servers_in_use
from quantgate.flows.build.plan_files import write_plan
from quantgate.flows.build.preparing import prepare
from quantgate.flows.orchestration.server import own_prefect_api, prefect_api
from quantgate.flows.orchestration.state import client_environment
from quantgate.flows.progress.board import Board
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import equipment
from quantgate.pipelines.domain.errors import ServiceError, WorkerError
from quantgate.pipelines.files.disk_trouble import disk_trouble
from quantgate.pipelines.files.full_disk import full_disk
from quantgate.pipelines.files.records import read_checked
from quantgate.pipelines.specs.builds import BuildSpec

_QUIET = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",
}
"""Our own board and error texts speak to the terminal; Prefect's log goes to its server."""


def execute(
    spec: BuildSpec, settings: Settings, board: Board, only: str | None = None
) -> BuildResult:
    """Plan a build and, unless all of it is done and recorded already, run it.

    Raises:
        QuantgateError: for whatever is wrong with the build as a whole; a unit's error is in the result.
    """
    prepare(settings.store)
    tools = equipment(settings, servers_in_use(spec, settings.server_versions))
    plan = make_plan(spec, settings, tools, board.say, only)
    result = read_complete(plan, settings)
    if result is None:
        return run_plan(plan, settings, board)
    board.say("everything is built, judged and registered already")
    return result


def run_plan(plan: BuildPlan, settings: Settings, board: Board) -> BuildResult:
    """Run the flow for a plan and return what became of it.

    Raises:
        ServiceError: where Prefect's server cannot be reached or started, or goes away twice.
        WorkerError: where the flow ended without a result.
    """
    forget_errors(plan, settings)
    plan_file = write_plan(plan, settings.store)
    result_file = settings.store.report(plan.name) / COMPLETION
    before = _written_at(result_file)
    try:
        with prefect_api(
            settings.store.root, api_url=settings.prefect_api, on_news=board.say
        ) as url:
            _run_flow(plan_file, plan.name, url, settings, board)
    except PrefectGoneError as gone:
        if _written_at(result_file) == before:
            board.say(f"{gone.what}: the build goes on with a server of its own")
            with own_prefect_api(settings.store.root, on_news=board.say) as url:
                _run_flow(plan_file, plan.name, url, settings, board)
        else:
            board.say(f"{gone.what}: the build is complete, its records there are not")
    if not result_file.is_file():
        raise WorkerError("the flow ended without a report", where=plan.name)
    return read_checked(BuildResult, result_file)


class PrefectGoneError(ServiceError):
    """Prefect's server went away while a flow ran; what the flow did until then is in the store."""


def _run_flow(plan_file: Path, build: str, url: str, settings: Settings, board: Board) -> None:
    """Run the flow against one server.

    Raises:
        PrefectGoneError: Prefect's client failed.
        ToolchainError: the store's disk is full, for us or for Prefect.
    """
    with _environment(client_environment(settings.store.root, url, os.environ) | _QUIET):
        import httpx
        from prefect.exceptions import PrefectException
        from prefect.settings import PREFECT_API_URL, temporary_settings

        from quantgate.flows.orchestration import tasks
        from quantgate.flows.orchestration.quantize import quantize

        tasks.begin_anew(board)
        logging.raiseExceptions = False  # or its log handler tells every record that did not arrive
        try:
            with temporary_settings(
                {PREFECT_API_URL: url}
            ):  # a second build may have another server
                quantize(str(plan_file), build)
        except (PrefectException, httpx.HTTPError, ConnectionError, TimeoutError) as error:
            gone = PrefectGoneError(f"Prefect's server went away ({_first_line(error)})", where=url)
            raise full_disk(gone, settings.store.root) or gone from error
        except OSError as error:
            raise disk_trouble(error, settings.store.root) or error from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _written_at(file: Path) -> int:
    """Return when a file was written, 0 where there is none."""
    return file.stat().st_mtime_ns if file.is_file() else 0


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for Prefect's first import, and take them back: the server ends with its lease."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
