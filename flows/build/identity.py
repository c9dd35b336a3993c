"""The code that audits, comparisons of bases and verdicts depend on: each is sealed under its digest."""

from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.files.sources import source_digest

AUDIT = (
    "quantgate.pipelines.audit.checks",
    "quantgate.pipelines.audit.divergence",
    "quantgate.pipelines.audit.expectation",
    "quantgate.pipelines.audit.labels",
    "quantgate.pipelines.audit.origin",
    "quantgate.pipelines.audit.served",
    "quantgate.pipelines.engines.llamacpp.workers.divergence",
    "quantgate.pipelines.engines.llamacpp.workers.probe",
    "quantgate.pipelines.engines.transformers.workers.divergence",
    "quantgate.pipelines.engines.transformers.workers.probe",
)
_AUDITING = (
    "quantgate.flows.build.audits.audits",
    "quantgate.flows.build.audits.base_logits",
    "quantgate.flows.build.audits.measured_rulers",
    "quantgate.flows.build.audits.texts",
    "quantgate.pipelines.engines.llamacpp.runtime",
    "quantgate.pipelines.engines.openai.runtime",
    "quantgate.pipelines.engines.transformers.runtime",
    "quantgate.pipelines.process.endings",
    "quantgate.pipelines.process.last_words",
    "quantgate.pipelines.process.runner",
    "quantgate.pipelines.variants.variant",
)
"""What puts an audit together and reads how its child processes end. Much that these modules reach changes no
audit, so they are not followed."""

BASE_DIVERGENCE = (
    "quantgate.pipelines.audit.base_divergence",
    "quantgate.pipelines.engines.checkpoint_logits",
    "quantgate.pipelines.engines.llamacpp.workers.base_divergence",
    "quantgate.pipelines.engines.transformers.workers.base_divergence",
)

CAUSES = ("quantgate.pipelines.audit.divergence_causes",)

JUDGING = (
    "quantgate.pipelines.audit.behaviour",
    "quantgate.pipelines.evaluation.runs",
    "quantgate.pipelines.gates.early",
    "quantgate.pipelines.gates.family",
    "quantgate.pipelines.gates.judge",
)
"""Their change can change a verdict without changing any transcript."""


def audit_digest() -> Digest:
    """Return the digest of the code that audits."""
    return source_digest(*AUDIT, alone=_AUDITING)


def base_divergence_digest() -> Digest:
    """Return the digest of the code that holds a base against its checkpoint, its runtime's own aside."""
    return source_digest(*BASE_DIVERGENCE, alone=("quantgate.flows.build.audits.base_divergence",))


def divergence_cause_digest() -> Digest:
    """Return the digest of the code that finds out why a base differs from its checkpoint."""
    alone = (
        "quantgate.flows.build.audits.base_divergence",
        "quantgate.flows.build.audits.divergence_causes",
    )
    return source_digest(*BASE_DIVERGENCE, *CAUSES, alone=alone)


def judging_digest() -> Digest:
    """Return the digest of the code that turns transcripts into verdicts."""
    return source_digest(*JUDGING)


def build_digest() -> Digest:
    """Return the digest of all of them: a finished build is finished for this code."""
    return digest_of(
        [judging_digest(), audit_digest(), base_divergence_digest(), divergence_cause_digest()]
    )
