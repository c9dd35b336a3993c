"""`quantgate export`: a build's runs as `.eval` logs, which inspect-ai opens."""

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from flows import units
from flows.progress import open_board
from flows.review import find_plan
from flows.settings import Settings
from flows.site import BuildSite
from flows.wiring import equipment
from pipelines.domain.errors import InputError, ToolchainError
from pipelines.domain.run import Run
from pipelines.process.calls import WorkerCall, ignore_progress
from pipelines.report.inspect_messages import InspectCall, InspectWritten


def export_command(build: str, folder: Path) -> int:
    """Write one log a finished run of a build; returns the exit code.

    Raises:
        ToolchainError: where inspect-ai is not installed.
        InputError: where no run of the build is finished.
    """
    if importlib.util.find_spec("inspect_ai") is None:
        raise ToolchainError("inspect-ai is not installed", next_step="run `make setup-evals`")
    settings = Settings.from_environment()
    plan = find_plan(build, settings)
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    with open_board() as board:
        site = BuildSite(plan=plan, settings=settings, tools=equipment(settings), show=board.unit)
        for run in _finished(site):
            with board.unit("export", run.subject):
                _write(site, run, folder / f"{run.subject}.eval")
            written += 1
    if not written:
        raise InputError("no run of this build is finished", where=plan.name)
    print(f"{written} logs in {folder}: `inspect view --log-dir {folder}` shows them")
    return 0


def _finished(site: BuildSite) -> Iterator[Run]:
    """The base's primary run in each runtime, then every variant that was asked."""
    for name in site.plan.runtimes:
        if units.references_finished(site, name):
            yield units.run_references(site, name)[0]
    for planned in site.plan.variants:
        if planned.built(site.settings.store) and units.answered(site, planned):
            yield units.answer(site, planned)


def _write(site: BuildSite, run: Run, output: Path) -> None:
    call = WorkerCall(
        module="pipelines.report.workers.inspect_write",
        request=InspectCall(
            run=run,
            suite=site.plan.suite,
            output=output,
            created_at=datetime.now(UTC).replace(microsecond=0).isoformat(),
            quantgate=importlib.metadata.version("quantgate"),
        ),
        log=site.settings.store.logs / f"{output.stem}.inspect.log",
        threads=1,
    )
    site.tools.run_worker(call, InspectWritten, ignore_progress)
