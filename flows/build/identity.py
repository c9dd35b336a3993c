"""The code that audits, comparisons of bases and verdicts depend on: each is sealed under its digest."""

from pipelines.domain.values import Digest, digest_of
from pipelines.files.sources import source_digest

AUDIT = (
    "pipelines.audit.checks",
    "pipelines.audit.divergence",
    "pipelines.audit.expectation",
    "pipelines.audit.labels",
    "pipelines.audit.origin",
    "pipelines.audit.served",
    "pipelines.engines.llamacpp.workers.divergence",
    "pipelines.engines.llamacpp.workers.probe",
    "pipelines.engines.transformers.workers.divergence",
    "pipelines.engines.transformers.workers.probe",
)
_AUDITING = (
    "flows.build.audits.audits",
    "flows.build.audits.base_logits",
    "flows.build.audits.measured_rulers",
    "flows.build.audits.texts",
    "pipelines.engines.llamacpp.runtime",
    "pipelines.engines.openai.runtime",
    "pipelines.engines.transformers.runtime",
    "pipelines.process.endings",
    "pipelines.process.last_words",
    "pipelines.process.runner",
    "pipelines.variants.variant",
)
"""What puts an audit together and reads how its child processes end. Much that these modules reach changes no
audit, so they are not followed."""

BASE_DIVERGENCE = (
    "pipelines.audit.base_divergence",
    "pipelines.engines.checkpoint_logits",
    "pipelines.engines.llamacpp.workers.base_divergence",
    "pipelines.engines.transformers.workers.base_divergence",
)

CAUSES = ("pipelines.audit.divergence_causes",)

JUDGING = (
    "pipelines.audit.behaviour",
    "pipelines.evaluation.runs",
    "pipelines.gates.early",
    "pipelines.gates.family",
    "pipelines.gates.judge",
)
"""Their change can change a verdict without changing any transcript."""


def audit_digest() -> Digest:
    """Return the digest of the code that audits."""
    return source_digest(*AUDIT, alone=_AUDITING)


def base_divergence_digest() -> Digest:
    """Return the digest of the code that holds a base against its checkpoint, its runtime's own aside."""
    return source_digest(*BASE_DIVERGENCE, alone=("flows.build.audits.base_divergence",))


def divergence_cause_digest() -> Digest:
    """Return the digest of the code that finds out why a base differs from its checkpoint."""
    alone = ("flows.build.audits.base_divergence", "flows.build.audits.divergence_causes")
    return source_digest(*BASE_DIVERGENCE, *CAUSES, alone=alone)


def judging_digest() -> Digest:
    """Return the digest of the code that turns transcripts into verdicts."""
    return source_digest(*JUDGING)


def build_digest() -> Digest:
    """Return the digest of all of them: a finished build is finished for this code."""
    return digest_of(
        [judging_digest(), audit_digest(), base_divergence_digest(), divergence_cause_digest()]
    )
