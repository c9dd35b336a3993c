"""The units of work of a build, each one call that leaves its result sealed in the store.

Nothing here knows Prefect. Every function may be called again at any time, in any process: what is
sealed is read, what is missing is made.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from calibration.assemble import read_sequences
from calibration.tokens import calibration_tokens, rendered_text
from flows.site import BuildSite
from pipelines.audit.behaviour import audit_behaviour
from pipelines.audit.checks import audit_base, audit_variant
from pipelines.backends.protocol import CalibrationTokens
from pipelines.build.variants import PlannedVariant, Workshop, build_variant
from pipelines.domain.audit import AuditReport
from pipelines.domain.errors import CheckpointError
from pipelines.domain.recipe import Calibration
from pipelines.domain.run import Run
from pipelines.domain.values import Digest, digest_of
from pipelines.domain.variant import Variant
from pipelines.domain.verdict import Verdict
from pipelines.evaluation.runs import RunPlan, run_suite
from pipelines.files.records import to_json, write_text
from pipelines.files.sealed import produce_once
from pipelines.gates.judge import audit_failure, judge
from pipelines.runtimes.protocol import Loadable, ProbeReport, ProbeRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """What stands in a sealed audit's manifest."""

    report: AuditReport
    probe: ProbeReport


def run_references(site: BuildSite, runtime_name: str) -> tuple[Run, ...]:
    """Return the base's runs in a runtime: the primary one and its A/A repeats.

    Raises:
        CheckpointError: where the base itself fails its audit in this runtime.
        WorkerError, ToolchainError: from the runtime.
    """
    runtime = site.tools.runtimes[runtime_name]
    plans = _reference_plans(site, runtime_name)
    if all(site.examination.finished(plan) for plan in plans):
        return tuple(site.examination.read(plan) for plan in plans)
    loadable = _reference(site, runtime_name)
    audit = _audit_base(site, runtime_name).report
    if not audit.passed:
        miss = audit.misses[0]
        raise CheckpointError(
            f"the base fails in {runtime_name}: {miss.check}: promised {miss.promised}, "
            f"found {miss.found}",
            where=site.plan.checkpoint.source,
        )
    runs = []
    for number, plan in enumerate(plans, start=1):
        step = f"reference {number}/{len(plans)}"
        with site.show(step, base_in(runtime_name)) as progress:
            runs.append(
                run_suite(
                    site.examination,
                    plan,
                    runtime=runtime,
                    loadable=loadable,
                    run_worker=site.tools.run_worker,
                    on_progress=progress,
                )
            )
    return tuple(runs)


def base_in(runtime_name: str) -> str:
    """Return what the base is called as a unit."""
    return f"base in {runtime_name}"


def references_finished(site: BuildSite, runtime_name: str) -> bool:
    """Whether all of the base's runs in a runtime are sealed."""
    return all(site.examination.finished(plan) for plan in _reference_plans(site, runtime_name))


def build(site: BuildSite, planned: PlannedVariant) -> Variant:
    """Return the built variant.

    Raises:
        CheckpointError, ToolchainError, WorkerError: from the backend.
    """
    with site.show("build", planned.identifier) as progress:
        return build_variant(
            planned,
            site.tools.backends[planned.recipe.options.backend],
            _calibration(site, planned),
            Workshop(
                checkpoint=site.plan.checkpoint,
                store=site.settings.store,
                run_worker=site.tools.run_worker,
                on_progress=progress,
            ),
        )


def audit(site: BuildSite, planned: PlannedVariant) -> AuditReport:
    """Audit a built variant before any item is asked.

    Raises:
        InputError: where its sealed files were altered since.
    """
    runtime_name = planned.recipe.runtime
    base = _audit_base(site, runtime_name).probe
    texts, texts_digest = _parity_texts(site)
    runtime = site.tools.runtimes[runtime_name]
    key = digest_of([planned.key, texts_digest, runtime.source_digest()])

    def produce(_: Path) -> AuditRecord:
        variant = site.open(planned)
        log = site.settings.store.logs / f"audit-{planned.identifier}--{key[:16]}.log"
        with site.show("audit", planned.identifier) as progress:
            request = _probe_request(site, _loadable(variant), texts, log)
            probe = runtime.probe(request, site.tools.run_worker, progress)
        report = audit_variant(variant, site.plan.checkpoint, base, probe)
        return AuditRecord(report=report, probe=probe)

    folder = site.settings.store.audit(planned.identifier, key)
    return produce_once(folder, AuditRecord, produce).record.report


def answer(site: BuildSite, planned: PlannedVariant) -> Run:
    """Run the suite on a built variant in the runtime that will serve it.

    Raises:
        WorkerError, ToolchainError: from the runtime; answers given so far are kept.
    """
    variant = site.open(planned)
    plan = _variant_run_plan(site, variant)
    if site.examination.finished(plan):
        return site.examination.read(plan)
    with site.show("answer", planned.identifier) as progress:
        return run_suite(
            site.examination,
            plan,
            runtime=site.tools.runtimes[planned.recipe.runtime],
            loadable=_loadable(variant),
            run_worker=site.tools.run_worker,
            on_progress=progress,
        )


def verdict(site: BuildSite, planned: PlannedVariant) -> tuple[AuditReport, Verdict]:
    """Judge a variant on what is sealed of it: a pure function of files.

    Raises:
        InputError: where a sealed file is missing or was altered, or runs are not comparable.
    """
    report = audit(site, planned)
    references = run_references(site, planned.recipe.runtime)
    suite, policy = site.plan.suite, site.plan.policy
    if not report.passed:
        return report, audit_failure(
            subject=planned.identifier,
            suite=suite,
            policy=policy,
            audit=report,
            reference_run=references[0],
        )
    run = answer(site, planned)
    report = AuditReport(findings=(*report.findings, *audit_behaviour(references[0], run)))
    return report, judge(
        suite=suite, policy=policy, audit=report, reference_runs=references, variant_run=run
    )


def _reference_plans(site: BuildSite, runtime_name: str) -> tuple[RunPlan, ...]:
    """The primary run keeps suite order; repeat number n is shuffled with seed n."""
    runtime = site.tools.runtimes[runtime_name]
    checkpoint = site.plan.checkpoint
    first = site.examination.plan(
        runtime=runtime,
        identity=runtime.identity(None),
        subject=f"{checkpoint.name}--base-{runtime_name}",
        subject_digest=checkpoint.digests.combined,
        schedule=runtime.schedule(site.settings.threads),
    )
    return tuple(
        replace(
            first,
            contract=replace(
                first.contract, schedule=replace(first.contract.schedule, order_seed=seed)
            ),
        )
        for seed in range(site.plan.policy.reference_runs)
    )


def _variant_run_plan(site: BuildSite, variant: Variant) -> RunPlan:
    runtime = site.tools.runtimes[variant.recipe.runtime]
    return site.examination.plan(
        runtime=runtime,
        identity=runtime.identity(variant.recipe),
        subject=variant.identifier,
        subject_digest=variant.files_digest,
        schedule=runtime.schedule(site.settings.threads),
    )


def _reference(site: BuildSite, runtime_name: str) -> Loadable:
    if runtime_name not in site.bases:
        with site.show("load base", base_in(runtime_name)) as progress:
            site.bases[runtime_name] = site.tools.runtimes[runtime_name].reference(
                site.plan.checkpoint, site.scratch, site.tools.run_worker, progress
            )
    return site.bases[runtime_name]


def _audit_base(site: BuildSite, runtime_name: str) -> AuditRecord:
    texts, texts_digest = _parity_texts(site)
    runtime = site.tools.runtimes[runtime_name]
    checkpoint = site.plan.checkpoint
    subject = f"{checkpoint.name}--base-{runtime_name}"
    key = digest_of(
        [
            checkpoint.digests.combined,
            to_json(runtime.identity(None)),
            texts_digest,
            runtime.source_digest(),
        ]
    )

    def produce(_: Path) -> AuditRecord:
        loadable = _reference(site, runtime_name)
        log = site.settings.store.logs / f"audit-{subject}--{key[:16]}.log"
        with site.show("audit", base_in(runtime_name)) as progress:
            request = _probe_request(site, loadable, texts, log)
            probe = runtime.probe(request, site.tools.run_worker, progress)
        return AuditRecord(report=audit_base(probe, site.chat.template), probe=probe)

    return produce_once(site.settings.store.audit(subject, key), AuditRecord, produce).record


def _probe_request(site: BuildSite, loadable: Loadable, texts: Path, log: Path) -> ProbeRequest:
    return ProbeRequest(loadable=loadable, texts=texts, threads=site.settings.threads, log=log)


@dataclass(frozen=True, slots=True, kw_only=True)
class _TextsRecord:
    count: int
    digest: Digest


def _parity_texts(site: BuildSite) -> tuple[Path, Digest]:
    """Every text of suite and corpus, rendered, with the base's own token ids: sealed once."""
    corpus = site.plan.corpus
    digest = digest_of([site.examination.prompts.digest, corpus.digest if corpus else ""])
    folder = site.scratch / f"parity-{digest[:16]}"

    def produce(staging: Path) -> _TextsRecord:
        texts = [
            (prompt.item_id, text)
            for prompt, text in zip(
                site.examination.prompts.prompts, site.examination.prompts.texts, strict=True
            )
        ]
        if corpus is not None:
            texts += [(s.id, rendered_text(s, site.chat)) for s in read_sequences(corpus)]
        lines = [
            json.dumps({"id": i, "text": t, "token_ids": list(site.chat.token_ids(t))}) + "\n"
            for i, t in texts
        ]
        write_text(staging / "texts.jsonl", "".join(lines))
        return _TextsRecord(count=len(texts), digest=digest)

    produce_once(folder, _TextsRecord, produce)
    return folder / "texts.jsonl", digest


def _calibration(site: BuildSite, planned: PlannedVariant) -> CalibrationTokens | None:
    if planned.recipe.calibration is Calibration.NONE or site.plan.corpus is None:
        return None
    return calibration_tokens(
        site.plan.corpus,
        site.chat,
        context_length_tokens=site.plan.checkpoint.context_length_tokens,
        wanted_tokens=planned.recipe.calibration_tokens,
        folder=site.scratch,
    )


def _loadable(variant: Variant) -> Loadable:
    return Loadable(
        path=variant.artifact, format=variant.recipe.format, kv_cache=variant.recipe.kv_cache
    )
