"""What an engine makes of a checkpoint's configuration and headers, and what is refused for it."""

import json
from dataclasses import dataclass
from typing import Protocol

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import OnProgress, RunWorker

_SHOWN = 3
COPY_AGAIN = "copy or download the whole checkpoint again, all files of one revision"


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
            f"{COPY_AGAIN}; or, where the head is the embedding, set tie_word_embeddings to true in "
            "config.json"
        )
    return COPY_AGAIN


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _are(names: tuple[str, ...]) -> str:
    return "is" if len(names) == 1 else "are"
