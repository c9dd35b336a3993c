"""`quantgate export`: a build's runs as `.eval` logs, which inspect-ai opens, or as transcripts to judge."""

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.references import (
    reference_plans,
    references_finished,
    reported_references,
)
from quantgate.flows.build.states.as_planned import build_as_planned
from quantgate.flows.build.units import answered, asking_plan, sealed_run
from quantgate.flows.cli.review import find_plan
from quantgate.flows.cli.transcripts import exported_lines, read_transcript
from quantgate.flows.progress.board import open_board
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from quantgate.pipelines.domain.errors import InputError, ToolchainError
from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.evaluation.runs import RunPlan
from quantgate.pipelines.files.records import write_together
from quantgate.pipelines.files.sealed_values import Missing, Sealed
from quantgate.pipelines.files.temporary import temporary_folder
from quantgate.pipelines.process.calls import WorkerCall, ignore_progress
from quantgate.pipelines.report.inspect_messages import InspectCall, InspectWritten


def transcripts_command(build: str, folder: Path) -> int:
    """Write one transcript a finished run of a build, as `quantgate judge` reads them.

    Raises:
        InputError: where no run of the build is finished.
    """
    settings = Settings.from_environment()
    plan = find_plan(build, settings.store)
    with open_board() as board:
        tools = wire(settings, plan.servers)
        opened = build_as_planned(plan, settings, tools, board.unit)
        written = write_transcripts(opened, folder)
    base, *others = written
    print(f"{len(written)} transcripts in {folder}")
    if others:
        print(f"next: `quantgate judge {base} {others[-1]} --suite {plan.suite.folder}`")
    return 0


def write_transcripts(build: LocalBuild, folder: Path) -> tuple[Path, ...]:
    """Write every finished run of a build, the base's first.

    Raises:
        InputError: where none is finished.
    """
    runs = dict(_named(build))
    if not runs:
        raise InputError(
            "no run of this build is finished",
            where=build.plan.name,
            next_step="`quantgate status BUILD` says how far it is; run the build again",
        )
    written = {folder / f"{name}.jsonl": _transcript(build, run) for name, run in runs.items()}
    write_together(written)
    return tuple(written)


def _named(build: LocalBuild) -> Iterator[tuple[str, RunPlan]]:
    """The base's runs in each runtime, its repeats by number, then every variant that was asked."""
    for name in build.plan.runtimes:
        if references_finished(build, name):
            for number, plan in enumerate(reference_plans(build, name), start=1):
                yield f"{plan.subject}.repeat-{number}" if number > 1 else plan.subject, plan
    for planned in build.plan.variants:
        if not planned.built(build.settings.store):
            continue
        asking = asking_plan(build, planned)
        if isinstance(asking, Missing) or not answered(build, planned):
            continue
        for number, run in enumerate(asking.value.runs, start=1):
            yield f"{run.subject}.repeat-{number}" if number > 1 else run.subject, run


def _transcript(build: LocalBuild, plan: RunPlan) -> bytes:
    """Texts get the special tokens that mark thoughts: who judges the file may not have the tokenizer."""
    transcript, reader = read_transcript(build.suite_runs.folder(plan)), build.suite_runs.reader
    if reader is not None:
        marked = [
            replace(answer, text=reader.text_with_marks(answer)) for answer in transcript.answers
        ]
        transcript = replace(transcript, answers=tuple(marked))
    return "".join(f"{line}\n" for line in exported_lines(transcript)).encode()


def export_command(build: str, folder: Path) -> int:
    """Write one log a finished run of a build; returns the exit code.

    Raises:
        ToolchainError: where inspect-ai is not installed.
        InputError: where no run of the build is finished.
    """
    if importlib.util.find_spec("inspect_ai") is None:
        raise ToolchainError("inspect-ai is not installed", next_step="run `make setup-evals`")
    settings = Settings.from_environment()
    plan = find_plan(build, settings.store)
    with open_board() as board, temporary_folder() as work:
        tools = wire(settings, plan.servers)
        opened = build_as_planned(plan, settings, tools, board.unit)
        for run in _finished(opened):
            with board.unit("export", run.subject):
                _write(opened, run, work / f"{run.subject}.eval")
        written = {folder / log.name: log.read_bytes() for log in sorted(work.iterdir())}
    if not written:
        raise InputError(
            "no run of this build is finished",
            where=plan.name,
            next_step="`quantgate status BUILD` says how far it is; run the build again",
        )
    write_together(written)
    print(f"{len(written)} logs in {folder}: `inspect view --log-dir {folder}` shows them")
    return 0


def _finished(build: LocalBuild) -> Iterator[Run]:
    """The base's primary run in each runtime, then every variant that was asked."""
    for name in build.plan.runtimes:
        yield from reported_references(build, name)[:1]
    for planned in build.plan.variants:
        if not planned.built(build.settings.store):
            continue
        run = sealed_run(build, planned)
        if isinstance(run, Sealed):
            yield run.value


def _write(build: LocalBuild, run: Run, output: Path) -> None:
    call = WorkerCall(
        module="quantgate.pipelines.report.workers.inspect_write",
        request=InspectCall(
            run=run,
            suite=build.plan.suite,
            output=output,
            created_at=datetime.now(UTC).replace(microsecond=0).isoformat(),
            quantgate=importlib.metadata.version("quantgate"),
        ),
        log=build.settings.store.logs / f"{output.stem}.inspect.log",
        threads=1,
    )
    build.tools.run_worker(call, InspectWritten, ignore_progress)
