"""Running a plan as a Prefect flow, against the server that is configured or a project-local one."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from flows.outcome import COMPLETION, BuildResult, read_complete
from flows.plan_files import write_plan
from flows.planning import BuildPlan, make_plan, servers_in_use
from flows.prefect_server import prefect_api
from flows.prefect_state import client_environment
from flows.progress import Board
from flows.settings import Settings
from flows.unit_errors import forget_errors
from flows.wiring import equipment
from pipelines.domain.errors import WorkerError
from pipelines.files.records import read_checked
from pipelines.process.runner import stop_workers
from pipelines.specs.builds import BuildSpec

_QUIET = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}
"""Our own board and error texts speak to the terminal; Prefect's log goes to its server."""


def execute(
    spec: BuildSpec, settings: Settings, board: Board, only: str | None = None
) -> BuildResult:
    """Plan a build and, unless all of it is done and recorded already, run it.

    Raises:
        QuantgateError: for whatever is wrong with the build as a whole; a unit's error is in the result.
    """
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
        ServiceError: where Prefect's server cannot be reached or started.
        WorkerError: where the flow ended without a result.
    """
    forget_errors(plan, settings)
    plan_file = write_plan(plan, settings.store)
    result_file = settings.store.report(plan.name) / COMPLETION
    with (
        prefect_api(settings.store.root, api_url=settings.prefect_api, on_news=board.say) as url,
        _environment(client_environment(settings.store.root, url, os.environ) | _QUIET),
    ):
        _run_flow(plan_file, plan.name, url, board)
    if not result_file.is_file():
        raise WorkerError("the flow ended without a report", where=plan.name)
    return read_checked(BuildResult, result_file)


def _run_flow(plan_file: Path, build: str, url: str, board: Board) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows import tasks
    from flows.quantize import quantize

    tasks.use_board(board)
    before = signal.signal(signal.SIGINT, _interrupt)
    try:
        with temporary_settings({PREFECT_API_URL: url}):  # a second build may have another server
            quantize(str(plan_file), build)
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    """End the children first: Prefect waits for its threads, and those wait for them."""
    stop_workers()
    raise KeyboardInterrupt


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
