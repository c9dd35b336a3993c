"""Whether a runtime may judge at all: the base in it is audited, and held against the checkpoint itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.plan import BuildPlan
from quantgate.pipelines.audit.base_divergence import (
    audit_base_divergence,
    refusal,
    unmeasured_base_divergence,
)
from quantgate.pipelines.audit.bench.base import AuditRecord, BaseAudit
from quantgate.pipelines.audit.bench.base_divergence import BaseComparison, BaseDivergenceRecord
from quantgate.pipelines.audit.bench.divergence_causes import divergence_cause
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.verdicts.audit import AuditFinding, AuditReport
from quantgate.pipelines.domain.verdicts.base_divergence import BaseDivergence, DivergenceCause
from quantgate.pipelines.domain.verdicts.waiver import BaseDivergenceWaiver
from quantgate.pipelines.files.records import read_record, write_record
from quantgate.pipelines.files.sealed_values import Missing, Sealed
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.report.build_report import BaseReport

WAIVABLE = "base-divergence"
_NOT_COMPARED = BaseDivergenceRecord(
    divergence=None, reason="not measured: the base fails before anything can be compared"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseFindings:
    """What was found of the base in a runtime.

    `divergence` is None where nothing was measured; `waiver` is the one without which it would be refused.
    """

    engine: str
    report: AuditReport
    divergence: BaseDivergence | None
    finding: AuditFinding
    waiver: BaseDivergenceWaiver | None = None

    @property
    def differs(self) -> bool:
        """Whether it is further from its checkpoint than rounding explains."""
        return self.divergence is not None and not self.divergence.is_rounding

    @property
    def may_judge(self) -> bool:
        """Whether variants may be paired with it."""
        return self.report.passed and (not self.differs or self.waiver is not None)


def audited_base(build: LocalBuild, runtime_name: str) -> BaseFindings:
    """Return what is found of the base in a runtime; nothing is computed twice.

    Raises:
        CheckpointError, InputError, ServiceError, ToolchainError, WorkerError: from the child processes.
    """
    record = _audit(build, runtime_name).made()
    if not record.report.passed:
        return _findings(build, runtime_name, record, _NOT_COMPARED)
    comparison = _comparison(build, runtime_name)
    return _findings(build, runtime_name, record, comparison.made())


def sealed_base(build: LocalBuild, runtime_name: str) -> Sealed[BaseFindings] | Missing:
    """Return what was found of the base in a runtime, where all of it was: nothing starts here."""
    record = _audit(build, runtime_name).sealed()
    if isinstance(record, Missing):
        return record
    if not record.value.report.passed:
        return Sealed(_findings(build, runtime_name, record.value, _NOT_COMPARED))
    longest_tokens = build.reading.longest_sequence_tokens
    comparison = BaseComparison.from_sealed(build.bench, runtime_name, longest_tokens)
    if isinstance(comparison, Missing):
        return comparison
    measured = comparison.value.sealed()
    if isinstance(measured, Missing):
        return measured
    return Sealed(_findings(build, runtime_name, record.value, measured.value))


def refuse_base(build: LocalBuild, runtime_name: str) -> None:
    """Refuse a runtime whose base is not the checkpoint, unless that is waived.

    Raises:
        CheckpointError: saying what differs, why it probably does, and both ways out.
        InputError, ServiceError, ToolchainError, WorkerError: from the child processes.
    """
    base = audited_base(build, runtime_name)
    cause = _cause(build, runtime_name) if base.differs else None
    keep_base(build, runtime_name, base, cause)
    if not base.report.passed:
        miss = base.report.misses[0]
        raise CheckpointError(
            f"the base fails in {runtime_name}: {miss.check}: promised {miss.promised}, "
            f"found {miss.found}",
            where=build.plan.checkpoint.source,
            next_step="`quantgate report BUILD` shows all findings; judge in a runtime whose base passes",
        )
    if cause is None or base.divergence is None or base.waiver is not None:
        return
    reason = refusal(base.divergence, base.engine, cause)
    recipes = "GGUF recipes" if runtime_name == "llamacpp" else f"recipes judged in {runtime_name}"
    granted = build.plan.base_divergence_waiver
    expired = f" (its waiver expired on {granted.expires.isoformat()})" if granted else ""
    remedy = _remedy(cause.suspected, runtime_name)
    raise CheckpointError(
        f"{reason}; {recipes} are refused{expired}",
        next_step=f"{remedy}leave {recipes} out; or, where this is bearable, waive "
        f"it by name: --waive {WAIVABLE} --reason TEXT --who NAME --until YYYY-MM-DD",
    )


def compute_before_serving(build: LocalBuild, runtime_name: str) -> None:
    """Compute the checkpoint's own logits while no server takes memory, where they will be needed.

    Raises:
        CheckpointError, ToolchainError, WorkerError: from the child processes.
    """
    _comparison(build, runtime_name).compute_before_serving()


def measured_bases(plan: BuildPlan, store: Store) -> tuple[BaseReport, ...]:
    """Return what this very build, or an earlier start of it, found of its base.

    There is one for each runtime that it came to.
    """
    files = [_file(plan, store, name) for name in plan.compared]
    return tuple(read_record(BaseReport, file) for file in files if file.is_file())


def _audit(build: LocalBuild, runtime_name: str) -> BaseAudit:
    return BaseAudit(bench=build.bench, runtime_name=runtime_name, reading=build.reading)


def _comparison(build: LocalBuild, runtime_name: str) -> BaseComparison:
    return BaseComparison.of(build.bench, runtime_name, build.reading.longest_sequence_tokens)


def _findings(
    build: LocalBuild, runtime_name: str, audit: AuditRecord, measured: BaseDivergenceRecord
) -> BaseFindings:
    engine = build.bench.runtimes[runtime_name].identity(build.plan.checkpoint.numerics).engine
    finding = (
        unmeasured_base_divergence(measured.reason)
        if measured.divergence is None
        else audit_base_divergence(measured.divergence)
    )
    granted = build.plan.base_divergence_waiver
    waived = granted is not None and not finding.passed and granted.holds_on(_today())
    return BaseFindings(
        engine=engine,
        report=audit.report,
        divergence=measured.divergence,
        finding=finding,
        waiver=replace(granted, engine=engine) if granted is not None and waived else None,
    )


def _cause(build: LocalBuild, runtime_name: str) -> DivergenceCause | None:
    """Return why the base differs, found out once a process."""
    comparison = _comparison(build, runtime_name)
    measured = comparison.made().divergence
    if measured is None:
        return None
    commands = [server.command for server in build.plan.servers if server.name == runtime_name]
    return build.causes(runtime_name, lambda: divergence_cause(comparison, measured, commands))


def _remedy(suspected: Sequence[str], runtime_name: str) -> str:
    options = ", ".join(setting for setting in suspected if setting.startswith("-"))
    return f"take {options} out of the command of server {runtime_name}; or " if options else ""


def keep_base(
    build: LocalBuild, runtime_name: str, base: BaseFindings, cause: DivergenceCause | None
) -> None:
    """Keep what was found for the report: a runtime that is refused is measured as well."""
    report = BaseReport(
        runtime=runtime_name,
        engine=base.engine,
        finding=base.finding,
        divergence=base.divergence,
        cause=str(cause or ""),
        waiver=base.waiver,
    )
    write_record(_file(build.plan, build.settings.store, runtime_name), report)


def _file(plan: BuildPlan, store: Store, runtime_name: str) -> Path:
    return store.root / "plans" / plan.name / "bases" / f"{runtime_name}.json"


def _today() -> date:
    return datetime.now(UTC).date()
