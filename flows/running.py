"""Running a plan as a Prefect flow, against the server that is configured or a project-local one."""

import os

from flows.outcome import COMPLETION, BuildResult, forget_errors
from flows.planning import BuildPlan
from flows.prefect_server import prefect_api
from flows.progress import Board
from flows.settings import Settings
from pipelines.domain.errors import WorkerError
from pipelines.files.records import read_record, write_record

_ENVIRONMENT = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # Our own board and error texts speak to the terminal; Prefect's log goes to its server.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
}


def run_plan(plan: BuildPlan, settings: Settings, board: Board) -> BuildResult:
    """Run the flow for a plan and return what became of it.

    Raises:
        ServiceError: where Prefect's server cannot be reached or started.
        WorkerError: where the flow ended without a result.
    """
    forget_errors(plan, settings)
    plan_file = settings.store.root / "plans" / plan.name / "plan.json"
    write_record(plan_file, plan)
    result_file = settings.store.report(plan.name) / COMPLETION
    result_file.unlink(missing_ok=True)
    with prefect_api(settings.store.root, api_url=settings.prefect_api) as url:
        os.environ.update(_ENVIRONMENT | {"PREFECT_API_URL": url})
        from flows import tasks
        from flows.quantize import quantize

        tasks.use_board(board)
        quantize(str(plan_file), plan.name)
    if not result_file.is_file():
        raise WorkerError("the flow ended without a report", where=plan.name)
    return read_record(BuildResult, result_file)
