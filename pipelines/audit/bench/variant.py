"""The audit of a built variant, sealed in the store."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from quantgate.pipelines.audit.bench.base import AuditRecord, BaseAudit, served_look
from quantgate.pipelines.audit.bench.bench import AuditBench, BaseReading
from quantgate.pipelines.audit.bench.identity import audit_digest
from quantgate.pipelines.audit.bench.logits import kept_logits
from quantgate.pipelines.audit.bench.rulers import DivergenceTokens, MeasuredRulers
from quantgate.pipelines.audit.checks import audit_files, audit_variant, unreadable
from quantgate.pipelines.audit.divergence import (
    DIVERGENCE_TOKENS,
    audit_divergence,
    audit_resemblance,
    audit_unruled_divergence,
    unmeasured_divergence,
)
from quantgate.pipelines.audit.expectation import audit_expectation
from quantgate.pipelines.audit.foreign import audit_coverage, audit_types
from quantgate.pipelines.audit.labels import audit_labels
from quantgate.pipelines.audit.metadata import audit_foreign_metadata, audit_metadata
from quantgate.pipelines.audit.nearness import audit_nearness
from quantgate.pipelines.audit.origin import audit_origin
from quantgate.pipelines.audit.rulers import ruler_on
from quantgate.pipelines.audit.served import audit_served
from quantgate.pipelines.domain.architectures import TRANSFORMERS
from quantgate.pipelines.domain.errors import CheckpointError, InputError, WorkerError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.domain.variant import Variant
from quantgate.pipelines.domain.verdicts.audit import AuditFinding, AuditReport, Divergence
from quantgate.pipelines.engines.expected import expected_tensors
from quantgate.pipelines.engines.requests import (
    DivergenceRequest,
    ProbeReport,
    ProbeRequest,
)
from quantgate.pipelines.engines.runtime import Runtime
from quantgate.pipelines.engines.written import written_tensors
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.files.sealed_values import Missing, Sealed, sealed_record
from quantgate.pipelines.process.calls import OnProgress
from quantgate.pipelines.variants.variant import PlannedVariant, open_variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What a variant's divergence is measured on, and against which emulated rulers.

    `tokens` writes the tokens unless that was done. `rulers` are those of all variants of its runtime.
    """

    tokens: Callable[[], DivergenceTokens]
    rulers: MeasuredRulers


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantAudit:
    """The audit of one built variant: what it depends on, where it is sealed, and how it is made.

    `answers_key` is that of the base's answers that are part of it (`RunPlan.answers_key`).
    """

    bench: AuditBench
    reading: BaseReading
    planned: PlannedVariant
    variant: Variant
    answers_key: Digest

    @property
    def runtime(self) -> Runtime:
        """What loads the variant."""
        return self.bench.runtimes[self.runtime_name]

    @property
    def runtime_name(self) -> str:
        """The runtime's name."""
        return self.planned.recipe.runtime

    @property
    def key(self) -> Digest:
        """All that the outcome depends on."""
        return digest_of(
            [
                self.planned.key,
                self.variant.files_digest,
                self.reading.texts_digest,
                self.answers_key,
                self.runtime.source_digest(),
                audit_digest(),
            ]
        )

    @property
    def folder(self) -> Path:
        """Where the outcome is sealed."""
        return self.bench.store.audit(self.planned.identifier, self.key)

    def sealed(self) -> Sealed[AuditReport] | Missing:
        """Return the audit where it was made."""
        record = sealed_record(self.folder, AuditRecord, f"audit {self.planned.identifier}")
        return record if isinstance(record, Missing) else Sealed(record.value.report)

    def made(self, drift: Drift) -> AuditReport:
        """Return the audit, made if nobody has.

        Raises:
            InputError: where its sealed files were altered since.
            ServiceError, ToolchainError, WorkerError: from the child processes; nothing is found out then.
        """

        def produce(_: Path) -> AuditRecord:
            base = BaseAudit(
                bench=self.bench, runtime_name=self.runtime_name, reading=self.reading
            ).made()
            with self.bench.show("audit", self.planned.identifier) as progress:
                return self._make(base.probe, drift, progress)

        return produce_once(self.folder, AuditRecord, produce).record.report

    def _make(self, base: ProbeReport, drift: Drift, on_progress: OnProgress) -> AuditRecord:
        bench = self.bench
        request = ProbeRequest(
            loadable=self.bench.loadable(self.variant),
            texts=self.reading.texts(),
            threads=bench.threads,
            log=bench.store.logs / f"audit-{self.planned.identifier}--{self.key[:16]}.log",
            context_tokens=self.reading.longest_sequence_tokens,
        )
        probe = self.runtime.probe(request, bench.run_worker, on_progress)
        if not probe.loads:
            self._require_base_loads(request, on_progress)
        measured = self._divergence(probe, drift, on_progress)
        findings = (
            *audit_variant(self.variant, bench.checkpoint, base, probe).findings,
            *self._contents(),
            *measured.findings,
        )
        # Last: until then the file's own runtime needs the memory that a server takes.
        served = served_look(bench, self.runtime_name, request, probe, on_progress)
        findings = (*findings, *audit_served(served), self._unchanged())
        report = AuditReport(findings=findings, divergence=measured.divergence)
        return AuditRecord(report=report, probe=probe, served=served)

    def _require_base_loads(self, request: ProbeRequest, on_progress: OnProgress) -> None:
        """Hold it against a file that it does not load only where the base still does, here and now.

        Raises:
            WorkerError: where neither does.
        """
        control = replace(request, loadable=self.bench.base(self.runtime_name))
        probe = self.runtime.probe(control, self.bench.run_worker, on_progress)
        if not probe.loads:
            raise WorkerError(
                f"neither this file nor its base loads in {self.runtime_name} now: {probe.detail}",
                next_step="free memory, or repair the engine; then run the same command again",
                log=request.log,
            )

    def _contents(self) -> tuple[AuditFinding, ...]:
        """What the files say of themselves; a file that cannot be read is a finding."""
        variant = self.variant
        base = self.bench.base_contents(self.runtime_name)
        try:
            contents = self.runtime.contents(self.bench.loadable(variant))
            written = written_tensors(
                variant.recipe.format, base.tensors, contents.tensors, variant.artifact
            )
        except CheckpointError as error:
            return (unreadable(error.what),)
        origin = audit_origin(variant.recipe, base, contents)
        if variant.recipe.is_foreign:
            return (
                audit_types(written),
                audit_coverage(variant.recipe.format, base, contents, written),
                *origin,
                audit_foreign_metadata(base, contents),
            )
        expected = expected_tensors(self.bench.checkpoint, variant.recipe, base)
        return (
            *audit_expectation(variant.recipe, expected, written),
            audit_labels(variant.recipe, contents),
            *origin,
            audit_metadata(base, contents),
        )

    def _divergence(self, probe: ProbeReport, drift: Drift, on_progress: OnProgress) -> AuditReport:
        if not (probe.loads and probe.finite_logits):
            return _unmeasured("not measured: it has no finite logits")
        bench, tokens = self.bench, drift.tokens()
        ruler = ruler_on(bench.checkpoint, self.variant.recipe)
        unruled = bench.checkpoint.refused_by(TRANSFORMERS)
        nearest = None if unruled else drift.rulers.divergence(ruler, self.runtime_name, tokens)
        base = bench.base(self.runtime_name)
        request = DivergenceRequest(
            base=base,
            variant=self.bench.loadable(self.variant),
            sequences=tokens.file,
            max_tokens=DIVERGENCE_TOKENS,
            threads=bench.threads,
            log=bench.store.logs / f"divergence-{self.variant.identifier}.log",
            base_logits=kept_logits(bench, self.runtime_name, base, tokens.digest),
        )
        try:
            measured = self.runtime.divergence(request, bench.run_worker, on_progress)
        except CheckpointError as error:
            return _unmeasured(error.what)
        judged = (
            audit_unruled_divergence(measured, unruled or "")
            if nearest is None
            else audit_divergence(measured, ruler, nearest)
        )
        return AuditReport(
            findings=(judged, audit_resemblance(measured), *self._nearness(measured)),
            divergence=replace(
                measured, resemblances=()
            ),  # one a weight: thousands in a large model
        )

    def _nearness(self, measured: Divergence) -> tuple[AuditFinding, ...]:
        """What others made may be of a fine-tune; what is built here is of this very base."""
        recipe, tensors = self.variant.recipe, self.variant.facts.tensors
        if not (recipe.is_foreign and recipe.format is Format.GGUF):
            return ()
        return (audit_nearness(measured, {tensor.name: tensor.type for tensor in tensors}),)

    def _unchanged(self) -> AuditFinding:
        """Read every byte again, after engines had the files: nothing may have been written into them."""
        try:
            open_variant(self.planned, self.bench.store)
        except InputError as error:
            return audit_files(error)
        return audit_files(None)


def _unmeasured(why: str) -> AuditReport:
    return AuditReport(findings=(unmeasured_divergence(why),))
