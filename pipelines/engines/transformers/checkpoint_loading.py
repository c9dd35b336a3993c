"""What transformers makes of a checkpoint's configuration and headers, found out once and kept."""

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import JsonObject, digest_of
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import OnProgress, RunWorker, WorkerCall

_WORKER = "quantgate.pipelines.engines.transformers.workers.checkpoint_loading"
_SHOWN = 3
_TIMEOUT_SECONDS = 900.0
_AGAIN = "copy or download the whole checkpoint again, all files of one revision"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadingCall:
    """A checkpoint folder to look at."""

    checkpoint: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Misshapen:
    """A weight whose stored shape is not the one that the configuration describes; rows first."""

    name: str
    stored: tuple[int, ...]
    described: tuple[int, ...]

    def __str__(self) -> str:
        stored, described = (" x ".join(map(str, shape)) for shape in (self.stored, self.described))
        return f"{self.name} is {stored}, config.json says {described}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadingReport:
    """What transformers would fill with random numbers, could not use, and leaves lying.

    `config_json` is the language model's configuration with all defaults filled in, `defaults_json` what its
    class makes of the same sizes and nothing else, without those sizes.
    """

    config_json: str
    missing: tuple[str, ...]
    misshapen: tuple[Misshapen, ...]
    unused: tuple[str, ...]
    defaults_json: str = "{}"

    @property
    def config(self) -> JsonObject:
        """The configuration as JSON values."""
        parsed: JsonObject = json.loads(self.config_json)
        return parsed

    @property
    def defaults(self) -> JsonObject:
        """The defaults as JSON values; empty where its class has none for these sizes."""
        parsed: JsonObject = json.loads(self.defaults_json)
        return parsed


class ReportLoading(Protocol):
    """Looks at a checkpoint, or remembers what it saw."""

    def __call__(
        self, checkpoint: Checkpoint, store: Store, run_worker: RunWorker, on_progress: OnProgress
    ) -> LoadingReport:
        """Return the report.

        Raises:
            CheckpointError: where transformers makes no model of the configuration.
            WorkerError, ToolchainError: from the child process.
        """
        ...


def report_loading(
    checkpoint: Checkpoint, store: Store, run_worker: RunWorker, on_progress: OnProgress
) -> LoadingReport:
    """Ask transformers in a child process, once a checkpoint and version; see `ReportLoading`."""
    key = digest_of(
        [
            checkpoint.digests.weights,
            checkpoint.digests.config,
            version("transformers"),
            source_digest(_WORKER),
        ]
    )
    folder = store.checkpoint(checkpoint.digests.combined) / f"loading-{key[:16]}"

    def produce(_: Path) -> LoadingReport:
        call = WorkerCall(
            module=_WORKER,
            request=LoadingCall(checkpoint=checkpoint.folder),
            log=store.logs / f"loading-{key[:16]}.log",
            threads=1,
            timeout_seconds=_TIMEOUT_SECONDS,
        )
        return run_worker(call, LoadingReport, on_progress).value

    return produce_once(folder, LoadingReport, produce).record


def refuse_incomplete(report: LoadingReport, checkpoint: Checkpoint) -> tuple[str, ...]:
    """Refuse a checkpoint that lacks weights; return a note on those that nothing uses.

    Raises:
        CheckpointError: naming what is missing, what has another shape, and what might be it under
            another name.
    """
    problems = [
        *([f"{_some(report.missing)} {_are(report.missing)} missing"] if report.missing else []),
        *map(str, report.misshapen[:_SHOWN]),
    ]
    unused = f"nothing uses {_some(report.unused)}, which {_are(report.unused)} stored"
    if not problems:
        return (unused,) if report.unused else ()
    if report.unused:
        problems.append(unused)
    raise CheckpointError(
        f"weights and config.json do not belong together: {'; '.join(problems)}",
        where=checkpoint.source,
        next_step=_step(report),
    )


def _step(report: LoadingReport) -> str:
    if report.missing == ("lm_head.weight",):
        return (
            f"{_AGAIN}; or, where the head is the embedding, set tie_word_embeddings to true in "
            "config.json"
        )
    return _AGAIN


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _are(names: tuple[str, ...]) -> str:
    return "is" if len(names) == 1 else "are"
