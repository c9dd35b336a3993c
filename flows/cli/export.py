"""`quantgate export`: a build's runs as `.eval` logs, which inspect-ai opens, or as transcripts to judge."""

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from quantgate.flows.build import units
from quantgate.flows.build.site import BuildSite
from quantgate.flows.cli.review import find_plan
from quantgate.flows.cli.transcripts import exported_lines, read_transcript
from quantgate.flows.progress.board import open_board
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import equipment
from quantgate.pipelines.domain.errors import InputError, ToolchainError
from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.evaluation.runs import RunPlan
from quantgate.pipelines.files.records import write_text
from quantgate.pipelines.process.calls import WorkerCall, ignore_progress
from quantgate.pipelines.report.inspect_messages import InspectCall, InspectWritten


def transcripts_command(build: str, folder: Path) -> int:
    """Write one transcript a finished run of a build, as `quantgate judge` reads them.

    Raises:
        InputError: where no run of the build is finished.
    """
    settings = Settings.from_environment()
    plan = find_plan(build, settings)
    with open_board() as board:
        tools = equipment(settings, plan.servers)
        site = BuildSite(plan=plan, settings=settings, tools=tools, show=board.unit)
        written = write_transcripts(site, folder)
    base, *others = written
    print(f"{len(written)} transcripts in {folder}")
    if others:
        print(f"next: `quantgate judge {base} {others[-1]} --suite {plan.suite.folder}`")
    return 0


def write_transcripts(site: BuildSite, folder: Path) -> tuple[Path, ...]:
    """Write every finished run of a build, the base's first.

    Raises:
        InputError: where none is finished.
    """
    runs = dict(_named(site))
    if not runs:
        raise InputError("no run of this build is finished", where=site.plan.name)
    return tuple(
        _write_transcript(site, run, folder / f"{name}.jsonl") for name, run in runs.items()
    )


def _named(site: BuildSite) -> Iterator[tuple[str, RunPlan]]:
    """The base's runs in each runtime, its repeats by number, then every variant that was asked."""
    for name in site.plan.runtimes:
        if units.references_finished(site, name):
            for number, plan in enumerate(units.reference_plans(site, name), start=1):
                yield f"{plan.subject}.repeat-{number}" if number > 1 else plan.subject, plan
    for planned in site.plan.variants:
        if planned.built(site.settings.store) and units.answered(site, planned):
            yield planned.identifier, units.answer_plan(site, planned)


def _write_transcript(site: BuildSite, plan: RunPlan, path: Path) -> Path:
    """Texts get the special tokens that mark thoughts: who judges the file may not have the tokenizer."""
    transcript, reader = read_transcript(site.examination.folder(plan)), site.examination.reader
    if reader is not None:
        marked = [
            replace(answer, text=reader.text_with_marks(answer)) for answer in transcript.answers
        ]
        transcript = replace(transcript, answers=tuple(marked))
    write_text(path, "".join(f"{line}\n" for line in exported_lines(transcript)))
    return path


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
        tools = equipment(settings, plan.servers)
        site = BuildSite(plan=plan, settings=settings, tools=tools, show=board.unit)
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
        yield from units.sealed_references(site, name)[:1]
    for planned in site.plan.variants:
        if planned.built(site.settings.store) and units.answered(site, planned):
            yield units.answer(site, planned)


def _write(site: BuildSite, run: Run, output: Path) -> None:
    call = WorkerCall(
        module="quantgate.pipelines.report.workers.inspect_write",
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
