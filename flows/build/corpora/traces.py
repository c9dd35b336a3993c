"""MLflow's traces as a source of text: exported once to a sealed file that is named by its content."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.files.sealed import produce_once, verify
from quantgate.pipelines.files.temporary import temporary_folder
from quantgate.registry.opening import open_mlflow_traces
from quantgate.registry.traces import PREFIX
from quantgate.registry.traces.conversations import TraceSource, TraceTally, export_rows
from quantgate.registry.tracking import Tracking

ROWS = "rows.jsonl"
_KEY_LENGTH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRecord:
    """What stands in the manifest of exported traces.

    Counts are those of the first export with these very rows; see `registry.traces.conversations.TraceTally`.
    """

    experiment: str
    digest: Digest
    traces: int
    rows: int
    failed: int
    no_chat: int
    unreadable: int
    continued: int


def experiment_named(source: str) -> str | None:
    """Return the experiment that `mlflow:EXPERIMENT` names; None where the source is something else."""
    return source.removeprefix(PREFIX) if source.startswith(PREFIX) else None


def export_traces(
    experiment: str,
    settings: Settings,
    *,
    open_traces: Callable[[Tracking], TraceSource] | None = None,
) -> Path:
    """Return the sealed JSON-lines file of an experiment's conversations.

    See `registry.traces.conversations.export_rows`.

    The file lies in a folder named by its sha256, with the counts of what was left out beside it: traces
    that did not change lead to the same file.

    Raises:
        InputError: there is no such experiment, or it holds no conversation, or a sealed file was altered.
        NotFoundError: there is no MLflow database.
        ServiceError: MLflow did not answer.
    """
    tracking = Tracking.resolve(settings.store, uri=settings.tracking_uri)
    tracking.require_database()
    source = (open_traces or open_mlflow_traces)(tracking)
    home = settings.store.root / "traffic"
    home.mkdir(parents=True, exist_ok=True)
    with temporary_folder(home) as work:
        rows = work / ROWS
        tally = export_rows(source, experiment, rows)
        if not tally.rows:
            raise InputError(
                _nothing(tally),
                where=f"{PREFIX}{experiment} in {tracking.shown}",
                next_step="name an experiment with traces of answers",
            )
        return _sealed(rows, experiment, tally, home)


def _sealed(rows: Path, experiment: str, tally: TraceTally, home: Path) -> Path:
    digest = file_digest(rows)
    folder = home / digest[:_KEY_LENGTH]

    def produce(staging: Path) -> ExportRecord:
        shutil.copyfile(rows, staging / ROWS)
        return ExportRecord(
            experiment=experiment,
            digest=digest,
            traces=tally.traces,
            rows=tally.rows,
            failed=tally.failed,
            no_chat=tally.no_chat,
            unreadable=tally.unreadable,
            continued=tally.continued,
        )

    verify(folder, produce_once(folder, ExportRecord, produce))
    return folder / ROWS


def _nothing(tally: TraceTally) -> str:
    return (
        f"none of its {tally.traces} traces holds a conversation that could be used: "
        f"{tally.failed} failed, {tally.no_chat} are no chat, {tally.unreadable} cannot be read"
    )
