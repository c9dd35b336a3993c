"""Logs that `quantgate judge` is named: those of other tools, and transcripts of ours beside them."""

from collections.abc import Sequence
from pathlib import Path

from quantgate.flows.cli.judge_logs import LogsToJudge
from quantgate.flows.cli.transcripts import is_transcript, read_transcript
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import table_reader
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.evaluation.logs.answers import LoggedAnswer, LoggedRun
from quantgate.pipelines.evaluation.logs.reading import read_log
from quantgate.pipelines.suites.load import examine_suite, load_suite


def read_logs(
    paths: Sequence[Path], suite: Path | None, settings: Settings, *, agreement: bool
) -> LogsToJudge:
    """Read the reference's log, its repeats and the variant's, in this order, and the suite that is named.

    Raises:
        InputError: a log or the suite cannot be read.
        ToolchainError: a package that unpacks a log is not installed.
    """
    reference, *repeats, variant = map(_log, paths)
    return LogsToJudge(
        reference=reference,
        variant=variant,
        repeats=tuple(repeats),
        suite=None if suite is None else _suite(suite, settings, agreement=agreement),
        agreement=agreement,
    )


def _log(path: Path) -> LoggedRun:
    """Read a log; one of ours has raw answers, and no prompts that other tools would write alike."""
    if not is_transcript(path):
        return read_log(path)
    transcript = read_transcript(path)
    return LoggedRun(
        tool="quantgate",
        model=transcript.record.plan.subject,
        grader="",
        answers=tuple(
            LoggedAnswer(
                id=answer.item_id, text=answer.text, cut_off=answer.finish_reason == "length"
            )
            for answer in transcript.answers
        ),
        source=path,
    )


def _suite(folder: Path, settings: Settings, *, agreement: bool) -> Suite:
    """Read a suite; for agreement its expectations may be unwritten."""
    reader = table_reader(settings)
    examined = examine_suite(folder, reader) if agreement else None
    if examined is None or examined.suite is None or len(examined.problems) > len(examined.drafts):
        return load_suite(folder, reader)
    return examined.suite
