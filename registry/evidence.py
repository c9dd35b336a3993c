"""Evidence: everything that was found out about one judged variant, and its identities."""

from dataclasses import dataclass, replace
from pathlib import Path

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.speed import Speed
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.values import (
    Digest,
    JsonObject,
    JsonValue,
    digest_of,
)
from quantgate.pipelines.domain.variant import Variant
from quantgate.pipelines.domain.verdicts.audit import AuditReport
from quantgate.pipelines.domain.verdicts.base_divergence import BaseDivergence
from quantgate.pipelines.domain.verdicts.verdict import Decision, Verdict
from quantgate.pipelines.domain.verdicts.waiver import BaseDivergenceWaiver, ContaminationWaiver
from quantgate.pipelines.files.records import record_digest
from quantgate.registry.names import check_model_name, check_suite_name
from quantgate.registry.tags import NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedTranscript:
    """The sealed run that a verdict was made from: its key, its folder, and one digest over its files."""

    key: str
    folder: Path
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One variant with its audit and its verdict; `checkpoint.name` is the registered model's name.

    `report` is the build's HTML page, where there is one. `contamination_waivers` are those without which
    the corpus would have been refused, `base_divergence_waiver` the one without which the runtime would have
    been; `base_divergence` is None where nothing could be measured. `tokens_per_second`: see `VersionFacts`.
    `references` are the base's transcripts, the primary one first; `transcript` is the variant's, None where
    it was never asked, and `transcript_repeats` are its further ones. `speed` is how fast it is beside its
    base, None where it was not timed. `place` is where its files lie besides the store, `none` for nowhere.
    """

    checkpoint: Checkpoint
    suite: Suite
    variant: Variant
    audit: AuditReport
    verdict: Verdict
    report: Path | None = None
    contamination_waivers: tuple[ContaminationWaiver, ...] = ()
    base_divergence: BaseDivergence | None = None
    base_divergence_waiver: BaseDivergenceWaiver | None = None
    tokens_per_second: float | None = None
    references: tuple[JudgedTranscript, ...] = ()
    transcript: JudgedTranscript | None = None
    transcript_repeats: tuple[JudgedTranscript, ...] = ()
    speed: Speed | None = None
    place: str = NONE

    @property
    def waiver(self) -> str:
        """What was waived; `none` where nothing was. A variant without a corpus needs no waiver for one."""
        waived = []
        if self.variant.corpus_label is not None and self.contamination_waivers:
            waived.append("contamination: " + "; ".join(map(str, self.contamination_waivers)))
        if self.base_divergence_waiver is not None:
            waived.append(f"base-divergence: {self.base_divergence_waiver}")
        return "; ".join(waived) or NONE

    @property
    def waiver_until(self) -> str:
        """The last day on which all that was waived holds, in ISO 8601; `none` where nothing was."""
        days = [
            waiver.expires for waiver in self.contamination_waivers if self.variant.corpus_label
        ]
        if self.base_divergence_waiver is not None:
            days.append(self.base_divergence_waiver.expires)
        return min(days).isoformat() if days else NONE

    @property
    def divergence_text(self) -> str:
        """The base's divergence from its checkpoint, as a tag spells it."""
        if self.base_divergence is None:
            return NONE
        measured = self.base_divergence
        return f"{measured.mean_kl:.2e} nats a token, {measured.worst.mean_kl:.2e} at worst"

    @property
    def model(self) -> str:
        """The registered model's name, which is the experiment's too."""
        return self.checkpoint.name

    @property
    def passed(self) -> bool:
        """Whether the variant may become a version."""
        return self.verdict.decision is Decision.PASS

    @property
    def policy_digest(self) -> Digest:
        """Identity of the policy the verdict was made under."""
        return record_digest(self.verdict.policy)

    @property
    def key(self) -> Digest:
        """Identity of this evidence: recorded once. Covers bytes, audit, every statistic and answer."""
        return digest_of(
            {
                "model": self.model,
                "variant": self.variant.key,
                "files": self.variant.files_digest,
                "audit": record_digest(self.audit),
                "verdict": record_digest(replace(self.verdict, items=())),
                "suite": self.suite.digest,
                "base_divergence": self.divergence_text,
                "transcripts": [transcript.digest for transcript in self._transcripts],
                **({"speed": record_digest(self.speed)} if self.speed else {}),
                **({} if self.waiver == NONE else {"waiver": self.waiver}),
                **(
                    {"losses": losses}
                    if (losses := list[JsonValue](self.checkpoint.losses))
                    else {}
                ),
            }
        )

    @property
    def _transcripts(self) -> tuple[JudgedTranscript, ...]:
        asked = (self.transcript,) if self.transcript else ()
        return (*self.references, *asked, *self.transcript_repeats)

    @property
    def subject_key(self) -> Digest:
        """Identity of the version: variant x runtime, asked with the same template variables."""
        return digest_of(
            {
                "variant": self.variant.key,
                "files": self.variant.files_digest,
                "runtime": record_digest(self.verdict.contract.runtime),
                **self._variables,
            }
        )

    @property
    def version_key(self) -> Digest:
        """Identity of the verdict: variant x suite (as it is asked) x policy x runtime x decode settings."""
        contract = self.verdict.contract
        return digest_of(
            {
                "variant": self.variant.key,
                "files": self.variant.files_digest,
                "suite": self.suite.digest,
                "policy": self.policy_digest,
                "runtime": record_digest(contract.runtime),
                "decode": record_digest(contract.decode),
                **self._variables,
            }
        )

    @property
    def scope(self) -> Digest:
        """What versions that compete for one alias have in common: base, suite (as it is asked), policy."""
        variables: list[JsonValue] = [self._variables] if self._variables else []
        parts = (self.checkpoint.digests.combined, self.suite.digest, self.policy_digest)
        return digest_of([*parts, *variables])

    @property
    def _variables(self) -> JsonObject:
        """Template variables, a build's among them, make other prompts of one suite: `enable_thinking`."""
        given = self.suite.template_variables
        return {"template_variables": given} if given else {}


def check_evidence(evidence: Evidence) -> None:
    """Refuse evidence that does not belong together, or whose names MLflow cannot carry.

    Raises:
        InputError: naming the mismatch.
    """
    check_model_name(evidence.model)
    check_suite_name(evidence.suite.name)
    variant, verdict = evidence.variant, evidence.verdict
    mismatches = [
        what
        for what, same in (
            (
                "the variant was built from another base",
                variant.base == evidence.checkpoint.digests,
            ),
            ("the verdict is on another suite", verdict.suite_digest == evidence.suite.digest),
            ("the verdict is on another variant", verdict.subject == variant.identifier),
            (
                "a variant that failed its audit has passed",
                evidence.audit.passed or not evidence.passed,
            ),
            (
                "a verdict without statistics has passed",
                verdict.whole is not None or not evidence.passed,
            ),
        )
        if not same
    ]
    if mismatches:
        raise InputError(
            f"this evidence does not belong together: {'; '.join(mismatches)}",
            where=variant.identifier,
            next_step="run the same build again: what does not belong together is made anew",
        )
