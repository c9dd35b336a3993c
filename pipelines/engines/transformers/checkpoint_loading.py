"""What transformers makes of a checkpoint's configuration and headers, found out once and kept."""

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from quantgate.pipelines.domain.architectures import TRANSFORMERS
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.engines.loading_report import LoadingReport
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.configuration.language_config import language_config
from quantgate.pipelines.process.calls import OnProgress, RunWorker, WorkerCall

_WORKER = "quantgate.pipelines.engines.transformers.workers.checkpoint_loading"
_TIMEOUT_SECONDS = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadingCall:
    """A checkpoint folder to look at."""

    checkpoint: Path


def report_loading(
    checkpoint: Checkpoint, store: Store, run_worker: RunWorker, on_progress: OnProgress
) -> LoadingReport:
    """Ask transformers in a child process, once a checkpoint and version; see `ReportLoading`.

    It is not asked about a checkpoint that it has no class for: config.json is all that is known then.
    """
    if checkpoint.refused_by(TRANSFORMERS):
        config = json.dumps(language_config(checkpoint.folder))
        return LoadingReport(config_json=config, missing=(), misshapen=(), unused=())
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
