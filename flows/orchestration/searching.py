"""Running a search: its flow tries what has to be tried, and what it tried becomes a build like any other."""

from quantgate.flows.build.errors import forget_errors
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.plan_files import read_command, write_command
from quantgate.flows.build.results.build_result import BuildResult
from quantgate.flows.build.searching.trying import SearchProgress, progress, tried_plan
from quantgate.flows.orchestration.running import run_build, run_flow
from quantgate.flows.orchestration.server.api import prefect_api
from quantgate.flows.progress.board import Board
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.files.store import Store


def run_search(plan: BuildPlan, settings: Settings, board: Board) -> BuildResult:
    """Try what the search of a plan asks for, unless that is all sealed; judge and register what it tried.

    Raises:
        ServiceError: where Prefect's server cannot be reached or started, or goes away twice.
        WorkerError: where nothing could be tried.
    """
    forget_errors(plan, settings)
    if _progress(plan, settings).upcoming is None:
        return _registered(plan, settings, board)
    with prefect_api(settings.store.root, api_url=settings.prefect_api, on_news=board.say):
        run_flow(
            "search", plan, settings, board, lambda: _progress(plan, settings).upcoming is None
        )
        return _registered(plan, settings, board)


def _registered(plan: BuildPlan, settings: Settings, board: Board) -> BuildResult:
    tried = _progress(plan, settings)
    if not tried.passed:
        raise WorkerError("the search ended before anything was tried", where=plan.name)
    return run_build(tried_build(plan, tried, settings.store), settings, board)


def tried_build(plan: BuildPlan, tried: SearchProgress, store: Store) -> BuildPlan:
    """Return the build of what a search tried: another name, and the command that asked for the search."""
    build = tried_plan(plan, tried)
    command = read_command(plan.name, store)
    if command:
        write_command(build.name, command, store)
    return build


def _progress(plan: BuildPlan, settings: Settings) -> SearchProgress:
    """Read how far it is with nothing remembered: the flow judged in a build of its own."""
    return progress(LocalBuild(plan=plan, settings=settings, tools=wire(settings, plan.servers)))
