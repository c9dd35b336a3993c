"""Audits of a build: of the base in each runtime, and of each variant, sealed in the store."""

from dataclasses import dataclass, replace
from pathlib import Path

from quantgate.flows.build.audits.base_logits import kept_logits
from quantgate.flows.build.audits.measured_rulers import measured_ruler
from quantgate.flows.build.audits.texts import divergence_tokens, parity_texts
from quantgate.flows.build.identity import audit_digest
from quantgate.flows.build.site import BuildSite
from quantgate.pipelines.audit.checks import audit_base as hold_base
from quantgate.pipelines.audit.checks import audit_files, audit_variant, unreadable
from quantgate.pipelines.audit.divergence import (
    DIVERGENCE_TOKENS,
    audit_divergence,
    audit_resemblance,
    unmeasured_divergence,
)
from quantgate.pipelines.audit.expectation import audit_expectation, expected_of, written_tensors
from quantgate.pipelines.audit.labels import audit_labels
from quantgate.pipelines.audit.metadata import audit_metadata
from quantgate.pipelines.audit.origin import audit_origin
from quantgate.pipelines.audit.rulers import ruler_of
from quantgate.pipelines.audit.served import audit_served
from quantgate.pipelines.domain.errors import CheckpointError, InputError, WorkerError
from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.domain.variant import Variant
from quantgate.pipelines.domain.verdicts.audit import AuditFinding, AuditReport
from quantgate.pipelines.engines.contents import Contents
from quantgate.pipelines.engines.requests import (
    DivergenceRequest,
    Loadable,
    ProbeReport,
    ProbeRequest,
    ServedLook,
)
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.process.calls import OnProgress
from quantgate.pipelines.variants.variant import PlannedVariant, open_variant


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """What stands in a sealed audit's manifest."""

    report: AuditReport
    probe: ProbeReport
    served: ServedLook | None = None


def base_in(runtime_name: str) -> str:
    """Return what the base is called as a unit."""
    return f"base in {runtime_name}"


def base_loadable(site: BuildSite, runtime_name: str) -> Loadable:
    """Return the base in a form that a runtime loads, made once a process."""
    if runtime_name not in site.bases:
        with site.show("load base", base_in(runtime_name)) as progress:
            site.bases[runtime_name] = site.tools.runtimes[runtime_name].reference(
                site.plan.checkpoint, site.scratch, site.tools.run_worker, progress
            )
    return site.bases[runtime_name]


def loadable(variant: Variant) -> Loadable:
    """Return what a runtime is to load."""
    return Loadable(
        path=variant.artifact, format=variant.recipe.format, kv_cache=variant.recipe.kv_cache
    )


def audit_base(site: BuildSite, runtime_name: str) -> AuditRecord:
    """Return the audit of the base in a runtime."""
    texts, texts_digest = parity_texts(site)
    runtime = site.tools.runtimes[runtime_name]
    checkpoint = site.plan.checkpoint
    subject = f"{checkpoint.name}--base-{runtime_name}"
    key = digest_of(
        [
            checkpoint.digests.combined,
            to_json(runtime.identity(checkpoint.numerics)),
            texts_digest,
            runtime.source_digest(),
            audit_digest(),
        ]
    )

    def produce(_: Path) -> AuditRecord:
        base = base_loadable(site, runtime_name)
        log = site.settings.store.logs / f"audit-{subject}--{key[:16]}.log"
        with site.show("audit", base_in(runtime_name)) as progress:
            request = ProbeRequest(
                loadable=base,
                texts=texts,
                threads=site.settings.threads,
                log=log,
                context_tokens=site.examination.longest_sequence_tokens,
            )
            probe = runtime.probe(request, site.tools.run_worker, progress)
            look = _look(site, runtime_name, request, probe, progress)
        stops = site.examination.stop_token_ids
        held = hold_base(probe, site.chat.template, stops, site.chat.notes).findings
        report = AuditReport(findings=(*held, *audit_served(look)))
        return AuditRecord(report=report, probe=probe, served=look)

    return produce_once(site.settings.store.audit(subject, key), AuditRecord, produce).record


def audit_built(site: BuildSite, planned: PlannedVariant, reference: Run) -> AuditReport:
    """Return the audit of a built variant.

    Raises:
        InputError: where its sealed files were altered since.
        ServiceError, ToolchainError, WorkerError: from the child processes; nothing is found out then.
    """
    variant = site.open(planned)
    runtime = site.tools.runtimes[planned.recipe.runtime]
    texts, texts_digest = parity_texts(site)
    key = digest_of(
        [
            planned.key,
            variant.files_digest,
            texts_digest,
            reference.key,
            runtime.source_digest(),
            audit_digest(),
        ]
    )
    log = site.settings.store.logs / f"audit-{planned.identifier}--{key[:16]}.log"

    def produce(_: Path) -> AuditRecord:
        base = audit_base(site, planned.recipe.runtime).probe
        with site.show("audit", planned.identifier) as progress:
            request = ProbeRequest(
                loadable=loadable(variant),
                texts=texts,
                threads=site.settings.threads,
                log=log,
                context_tokens=site.examination.longest_sequence_tokens,
            )
            probe = runtime.probe(request, site.tools.run_worker, progress)
            if not probe.loads:
                _require_base_loads(site, planned.recipe.runtime, request, progress)
            findings = (
                *audit_variant(variant, site.plan.checkpoint, base, probe).findings,
                *_contents(site, variant),
                *_divergence(site, variant, probe, reference, progress),
            )
            # Last: until then the file's own runtime needs the memory that a server takes.
            look = _look(site, planned.recipe.runtime, request, probe, progress)
            findings = (*findings, *audit_served(look), _unchanged(site, planned))
        return AuditRecord(report=AuditReport(findings=findings), probe=probe, served=look)

    folder = site.settings.store.audit(planned.identifier, key)
    return produce_once(folder, AuditRecord, produce).record.report


def _require_base_loads(
    site: BuildSite, runtime_name: str, request: ProbeRequest, on_progress: OnProgress
) -> None:
    """Hold it against a file that it does not load only where the base still does, here and now.

    Raises:
        WorkerError: where neither does.
    """
    control = replace(request, loadable=base_loadable(site, runtime_name))
    probe = site.tools.runtimes[runtime_name].probe(control, site.tools.run_worker, on_progress)
    if not probe.loads:
        raise WorkerError(
            f"neither this file nor its base loads in {runtime_name} now: {probe.detail}",
            next_step="free memory, or repair the engine; then run the same command again",
            log=request.log,
        )


def _look(
    site: BuildSite,
    runtime_name: str,
    request: ProbeRequest,
    probe: ProbeReport,
    on_progress: OnProgress,
) -> ServedLook | None:
    """What the server that answers shows of a file; it is not started for one that failed natively."""
    if not (probe.loads and probe.finite_logits):
        return None
    access = site.tools.runtimes[runtime_name].server_access()
    if access is None:
        return None
    control = base_loadable(site, runtime_name)
    return access.look(request, control, site.tools.run_worker, on_progress)


def _contents(site: BuildSite, variant: Variant) -> tuple[AuditFinding, ...]:
    """What the files say of themselves; a file that cannot be read is a finding."""
    runtime = site.tools.runtimes[variant.recipe.runtime]
    base = _base_contents(site, variant.recipe.runtime)
    try:
        contents = runtime.contents(loadable(variant))
        written = written_tensors(variant.recipe, base, contents, variant.artifact)
    except CheckpointError as error:
        return (unreadable(error.what),)
    expected = expected_of(variant.recipe, site.plan.checkpoint, base)
    return (
        *audit_expectation(variant.recipe, expected, written),
        audit_labels(variant.recipe, contents),
        *audit_origin(variant.recipe, base, contents),
        audit_metadata(base, contents),
    )


def _base_contents(site: BuildSite, runtime_name: str) -> Contents:
    """What the base says of itself, read once a process: a vocabulary takes seconds."""
    if runtime_name not in site.base_contents:
        base = base_loadable(site, runtime_name)
        site.base_contents[runtime_name] = site.tools.runtimes[runtime_name].contents(base)
    return site.base_contents[runtime_name]


def _divergence(
    site: BuildSite,
    variant: Variant,
    probe: ProbeReport,
    reference: Run,
    on_progress: OnProgress,
) -> tuple[AuditFinding, ...]:
    if not (probe.loads and probe.finite_logits):
        return (unmeasured_divergence("not measured: it has no finite logits"),)
    runtime_name = variant.recipe.runtime
    tokens = divergence_tokens(site, reference)
    ruler = ruler_of(variant.recipe)
    nearest = measured_ruler(site, runtime_name, ruler, tokens)
    base = base_loadable(site, runtime_name)
    request = DivergenceRequest(
        base=base,
        variant=loadable(variant),
        sequences=tokens[0],
        max_tokens=DIVERGENCE_TOKENS,
        threads=site.settings.threads,
        log=site.settings.store.logs / f"divergence-{variant.identifier}.log",
        base_logits=kept_logits(site, runtime_name, base, tokens[1]),
    )
    runtime = site.tools.runtimes[runtime_name]
    try:
        measured = runtime.divergence(request, site.tools.run_worker, on_progress)
    except CheckpointError as error:
        return (unmeasured_divergence(error.what),)
    return audit_divergence(measured, ruler, nearest), audit_resemblance(measured)


def _unchanged(site: BuildSite, planned: PlannedVariant) -> AuditFinding:
    """Read every byte again, after engines had the files: nothing may have been written into them."""
    try:
        open_variant(planned, site.settings.store)
    except InputError as error:
        return audit_files(error)
    return audit_files(None)
