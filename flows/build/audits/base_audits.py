"""Whether a runtime may judge at all: the base in it is audited, and held against the checkpoint itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from quantgate.flows.build.audits.audits import audit_base, base_loadable
from quantgate.flows.build.audits.base_divergence import BaseDivergenceRecord, base_divergence
from quantgate.flows.build.audits.divergence_causes import divergence_cause
from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.site import BuildSite
from quantgate.pipelines.audit.base_divergence import (
    audit_base_divergence,
    refusal,
    unmeasured_base_divergence,
)
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.verdicts.audit import AuditFinding, AuditReport
from quantgate.pipelines.domain.verdicts.base_divergence import BaseDivergence, DivergenceCause
from quantgate.pipelines.domain.verdicts.waiver import BaseDivergenceWaiver
from quantgate.pipelines.files.records import read_record, write_record
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.report.build_report import BaseReport

WAIVABLE = "base-divergence"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseAudit:
    """What was found of the base in a runtime.

    `divergence` is None where nothing was measured; `cause` is there where it is more than rounding; `waiver`
    is the one without which it would be refused.
    """

    engine: str
    report: AuditReport
    divergence: BaseDivergence | None
    finding: AuditFinding
    cause: DivergenceCause | None = None
    waiver: BaseDivergenceWaiver | None = None


def base_audit(site: BuildSite, runtime_name: str) -> BaseAudit:
    """Return the audit of the base in a runtime; nothing is computed twice.

    Raises:
        CheckpointError, InputError, ServiceError, ToolchainError, WorkerError: from the child processes.
    """
    engine = site.tools.runtimes[runtime_name].identity(site.plan.checkpoint.numerics).engine
    record = audit_base(site, runtime_name)
    if record.report.passed:
        measured = base_divergence(site, runtime_name, base_loadable(site, runtime_name))
    else:
        reason = "not measured: the base fails before anything can be compared"
        measured = BaseDivergenceRecord(divergence=None, reason=reason)
    finding = _finding(measured)
    granted = site.plan.base_divergence_waiver
    waived = granted is not None and not finding.passed and granted.holds_on(_today())
    return BaseAudit(
        engine=engine,
        report=record.report,
        divergence=measured.divergence,
        finding=finding,
        cause=_cause(site, runtime_name, measured.divergence),
        waiver=replace(granted, engine=engine) if granted is not None and waived else None,
    )


def refuse_base(site: BuildSite, runtime_name: str) -> None:
    """Refuse a runtime whose base is not the checkpoint, unless that is waived.

    Raises:
        CheckpointError: saying what differs, why it probably does, and both ways out.
        InputError, ServiceError, ToolchainError, WorkerError: from the child processes.
    """
    audit = base_audit(site, runtime_name)
    _record(site, runtime_name, audit)
    if not audit.report.passed:
        miss = audit.report.misses[0]
        raise CheckpointError(
            f"the base fails in {runtime_name}: {miss.check}: promised {miss.promised}, "
            f"found {miss.found}",
            where=site.plan.checkpoint.source,
        )
    if audit.cause is None or audit.waiver is not None or audit.divergence is None:
        return
    told = refusal(audit.divergence, audit.engine, audit.cause)
    recipes = "GGUF recipes" if runtime_name == "llamacpp" else f"recipes judged in {runtime_name}"
    granted = site.plan.base_divergence_waiver
    expired = f" (its waiver expired on {granted.expires.isoformat()})" if granted else ""
    remedy = _remedy(audit.cause.suspected, runtime_name)
    raise CheckpointError(
        f"{told}; {recipes} are refused{expired}",
        next_step=f"{remedy}leave {recipes} out; or, where this is bearable, waive "
        f"it by name: --waive {WAIVABLE} --reason TEXT --who NAME --until YYYY-MM-DD",
    )


def _remedy(suspected: Sequence[str], runtime_name: str) -> str:
    options = ", ".join(one for one in suspected if one.startswith("-"))
    return f"take {options} out of the command of server {runtime_name}; or " if options else ""


def base_reports(site: BuildSite) -> tuple[BaseReport, ...]:
    """Return what was found of the base in every runtime in play; a runtime that came to nothing has none."""
    return measured_bases(site.plan, site.settings.store)


def measured_bases(plan: BuildPlan, store: Store) -> tuple[BaseReport, ...]:
    """Return what an earlier start of this very build found of its base, one for each runtime it came to."""
    files = [_file(plan, store, name) for name in plan.runtimes]
    return tuple(read_record(BaseReport, file) for file in files if file.is_file())


def _record(site: BuildSite, runtime_name: str, audit: BaseAudit) -> None:
    """Keep what was found for the report: a runtime that is refused is measured as well."""
    report = BaseReport(
        runtime=runtime_name,
        engine=audit.engine,
        finding=audit.finding,
        divergence=audit.divergence,
        cause=str(audit.cause or ""),
        waiver=audit.waiver,
    )
    write_record(_file(site.plan, site.settings.store, runtime_name), report)


def _file(plan: BuildPlan, store: Store, runtime_name: str) -> Path:
    return store.root / "plans" / plan.name / "bases" / f"{runtime_name}.json"


def _finding(measured: BaseDivergenceRecord) -> AuditFinding:
    if measured.divergence is None:
        return unmeasured_base_divergence(measured.reason)
    return audit_base_divergence(measured.divergence)


def _cause(
    site: BuildSite, runtime_name: str, measured: BaseDivergence | None
) -> DivergenceCause | None:
    if measured is None or measured.is_rounding:
        return None
    return divergence_cause(site, runtime_name, base_loadable(site, runtime_name), measured)


def _today() -> date:
    return datetime.now(UTC).date()
