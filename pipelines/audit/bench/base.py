"""The audit of a base as a runtime loads it, sealed in the store."""

from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.audit.bench.bench import AuditBench, BaseReading, base_in
from quantgate.pipelines.audit.bench.identity import audit_digest
from quantgate.pipelines.audit.checks import audit_base
from quantgate.pipelines.audit.served import audit_served
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.domain.verdicts.audit import AuditReport
from quantgate.pipelines.engines.requests import ProbeReport, ProbeRequest, ServedProbeReport
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.files.sealed_values import Missing, Sealed, sealed_record
from quantgate.pipelines.process.calls import OnProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """What stands in a sealed audit's manifest."""

    report: AuditReport
    probe: ProbeReport
    served: ServedProbeReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseAudit:
    """The audit of the base in one runtime: what it depends on, where it is sealed, and how it is made."""

    bench: AuditBench
    runtime_name: str
    reading: BaseReading

    @property
    def subject(self) -> str:
        """What is audited."""
        return f"{self.bench.checkpoint.name}--base-{self.runtime_name}"

    @property
    def key(self) -> Digest:
        """All that the outcome depends on."""
        checkpoint, runtime = self.bench.checkpoint, self.bench.runtimes[self.runtime_name]
        return digest_of(
            [
                checkpoint.digests.combined,
                to_json(runtime.identity(checkpoint.numerics)),
                self.reading.texts_digest,
                runtime.source_digest(),
                audit_digest(),
            ]
        )

    @property
    def folder(self) -> Path:
        """Where the outcome is sealed."""
        return self.bench.store.audit(self.subject, self.key)

    def sealed(self) -> Sealed[AuditRecord] | Missing:
        """Return the audit where it was made."""
        return sealed_record(self.folder, AuditRecord, base_in(self.runtime_name))

    def made(self) -> AuditRecord:
        """Return the audit, made if nobody has.

        Raises:
            CheckpointError, ServiceError, ToolchainError, WorkerError: from the child processes.
        """
        return produce_once(self.folder, AuditRecord, self._make).record

    def _make(self, _staging: Path) -> AuditRecord:
        bench, reading = self.bench, self.reading
        base = bench.base(self.runtime_name)
        with bench.show("audit", base_in(self.runtime_name)) as progress:
            request = ProbeRequest(
                loadable=base,
                texts=reading.texts(),
                threads=bench.threads,
                log=bench.store.logs / f"audit-{self.subject}--{self.key[:16]}.log",
                context_tokens=reading.longest_sequence_tokens,
            )
            probe = bench.runtimes[self.runtime_name].probe(request, bench.run_worker, progress)
            served = served_look(bench, self.runtime_name, request, probe, progress)
        held = audit_base(probe, reading.template, reading.stop_token_ids, reading.template_notes)
        report = AuditReport(findings=(*held.findings, *audit_served(served)))
        return AuditRecord(report=report, probe=probe, served=served)


def served_look(
    bench: AuditBench,
    runtime_name: str,
    request: ProbeRequest,
    probe: ProbeReport,
    on_progress: OnProgress,
) -> ServedProbeReport | None:
    """Return what the server that answers shows of a file; none is started for one that failed natively."""
    if not (probe.loads and probe.finite_logits):
        return None
    access = bench.runtimes[runtime_name].server_access()
    if access is None:
        return None
    return access.probe_served(request, bench.base(runtime_name), bench.run_worker, on_progress)
