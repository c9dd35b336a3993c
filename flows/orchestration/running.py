"""Running a plan as a Prefect flow, against the server that is configured or a project-local one."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from quantgate.flows.build.errors import forget_errors
from quantgate.flows.build.outcome import read_complete
from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.plan_files import write_plan
from quantgate.flows.build.registering import register_waiting
from quantgate.flows.build.results.build_result import COMPLETION, BuildResult, completed_at
from quantgate.flows.build.states.builds import progress_file
from quantgate.flows.build.states.verdict_changes import verdict_changes
from quantgate.flows.orchestration.events.sending import tell
from quantgate.flows.orchestration.events.verdicts import of_verdict
from quantgate.flows.orchestration.server.api import prefect_api, project_prefect_api
from quantgate.flows.orchestration.server.state import client_environment
from quantgate.flows.orchestration.server.trouble import PrefectGoneError, prefect_errors
from quantgate.flows.progress.board import Board
from quantgate.flows.progress.elsewhere import forget, shown_elsewhere
from quantgate.flows.progress.recorded import RecordedBoard
from quantgate.flows.progress.tracing import traced
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.disk.trouble import disk_trouble
from quantgate.pipelines.files.records import read_checked

QUIET = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",
}
"""Our own board and error texts speak to the terminal; Prefect's log goes to its server."""

FlowName = Literal["quantize", "search"]


def run_build(plan: BuildPlan, settings: Settings, board: Board) -> BuildResult:
    """Run the flow for a plan, unless all of it is done and recorded, and return what became of it.

    Raises:
        ServiceError: where Prefect's server cannot be reached or started, or goes away twice.
        WorkerError: where the flow ended without a result.
    """
    register_waiting(settings, board.say)
    result = read_complete(plan, settings)
    if result is not None:
        board.say("everything is built, judged and registered already")
        return result
    forget_errors(plan, settings)
    result_file = settings.store.report(plan.name) / COMPLETION
    before = completed_at(result_file)
    run_flow("quantize", plan, settings, board, lambda: completed_at(result_file) != before)
    if not result_file.is_file():
        raise WorkerError("the flow ended without a report", where=plan.name)
    result = read_checked(BuildResult, result_file)
    changes = verdict_changes(plan, result, settings.store)
    tell((of_verdict(change) for change in changes), settings, board.say)
    return result


def run_flow(
    name: FlowName,
    plan: BuildPlan,
    settings: Settings,
    board: Board,
    is_complete: Callable[[], bool],
) -> None:
    """Run a flow for a plan; where its server goes away and it is not complete, once more with another.

    Raises:
        ServiceError: where Prefect's server cannot be reached or started, or goes away twice.
    """
    plan_file = str(write_plan(plan, settings.store))
    root, say = settings.store.root, board.say
    file = progress_file(settings.store, plan.name)
    forget(file.parent)
    recorded = RecordedBoard(board, file)
    with shown_elsewhere(file.parent, board), traced(recorded, Path(plan_file)) as traced_board:
        try:
            with (
                prefect_api(root, api_url=settings.prefect_api, on_news=say) as url,
                _flow_on(url, name, settings, traced_board) as flow,
            ):
                flow(plan_file, plan.name)
        except PrefectGoneError as gone:
            if is_complete():
                say(f"{gone.what}: the build is complete, its records there are not")
                return
            say(f"{gone.what}: the build goes on with a server of its own")
            with (
                project_prefect_api(root, on_news=say) as url,
                _flow_on(url, name, settings, traced_board) as flow,
            ):
                flow(plan_file, plan.name)


@contextmanager
def _flow_on(
    url: str, name: FlowName, settings: Settings, board: Board
) -> Iterator[Callable[[str, str], JsonObject]]:
    """Yield the flow, which runs against one server; its units are shown on `board`.

    Raises:
        PrefectGoneError: Prefect's client failed.
        ToolchainError: the store's disk is full, for us or for Prefect.
    """
    with _environment(client_environment(settings.store.root, url, os.environ) | QUIET):
        from prefect.settings import PREFECT_API_URL, temporary_settings

        from quantgate.flows.orchestration import steps
        from quantgate.flows.orchestration.quantize import quantize
        from quantgate.flows.orchestration.runners.choosing import task_runner
        from quantgate.flows.orchestration.search import search

        steps.begin_anew(board)
        logging.raiseExceptions = False  # or its log handler tells every record that did not arrive
        try:
            with (
                prefect_errors(url, settings.store.root),
                temporary_settings({PREFECT_API_URL: url}),  # a second build may have another
                task_runner(settings) as runner,
            ):
                flow = quantize if name == "quantize" else search
                yield flow.with_options(task_runner=runner)
        except OSError as error:
            raise disk_trouble(error, settings.store.root) or error from None


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
