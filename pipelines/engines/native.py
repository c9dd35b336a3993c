"""What runtimes that compute on this machine do alike."""

from dataclasses import replace

from quantgate.pipelines.domain.run import RuntimeIdentity
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.engines.requests import ProbeReport, ProbeRequest
from quantgate.pipelines.engines.worker_calls import call_of
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.process.calls import OnProgress, RunWorker
from quantgate.pipelines.process.endings import run_confirmed

_PROBE_TIMEOUT_SECONDS = 1800.0


def confirmed_probe(
    worker: str, request: ProbeRequest, run_worker: RunWorker, on_progress: OnProgress
) -> ProbeReport:
    """Have a worker load something and decode it once; a crash counts only when it comes twice.

    Raises:
        QuantgateError: as `run_worker`.
    """
    call = replace(call_of(worker, request), timeout_seconds=_PROBE_TIMEOUT_SECONDS)
    return run_confirmed(run_worker, call, ProbeReport, on_progress)


def logits_digest(identity: RuntimeIdentity, answers: str, divergence: str) -> Digest:
    """Return the digest of engine, versions and device, and of the workers that answer and measure."""
    return digest_of([to_json(identity), source_digest(answers), source_digest(divergence)])
