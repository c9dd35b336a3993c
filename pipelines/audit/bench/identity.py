"""The code that audits and comparisons of bases depend on: each is sealed under its digest.

The texts that audits look at are known by digests of their own, which their code is part of.
"""

from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.files.sources import source_digest

AUDIT = (
    "quantgate.pipelines.audit.checks",
    "quantgate.pipelines.audit.divergence",
    "quantgate.pipelines.audit.expectation",
    "quantgate.pipelines.audit.labels",
    "quantgate.pipelines.audit.nearness",
    "quantgate.pipelines.audit.origin",
    "quantgate.pipelines.audit.served",
    "quantgate.pipelines.engines.llamacpp.workers.divergence",
    "quantgate.pipelines.engines.llamacpp.workers.probe",
    "quantgate.pipelines.engines.transformers.workers.divergence",
    "quantgate.pipelines.engines.transformers.workers.probe",
)
AUDITING = (
    "quantgate.pipelines.audit.bench.base",
    "quantgate.pipelines.audit.bench.bench",
    "quantgate.pipelines.audit.bench.logits",
    "quantgate.pipelines.audit.bench.rulers",
    "quantgate.pipelines.audit.bench.variant",
    "quantgate.pipelines.engines.llamacpp.runtime",
    "quantgate.pipelines.engines.native",
    "quantgate.pipelines.engines.openai.runtime",
    "quantgate.pipelines.engines.transformers.runtime",
    "quantgate.pipelines.process.endings.causes",
    "quantgate.pipelines.process.endings.errors",
    "quantgate.pipelines.process.endings.last_words",
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

COMPARING = (
    "quantgate.pipelines.audit.bench.base_divergence",
    "quantgate.pipelines.audit.bench.computing",
)

CAUSES = ("quantgate.pipelines.audit.divergence_causes",)
FINDING_CAUSES = (*COMPARING, "quantgate.pipelines.audit.bench.divergence_causes")


def audit_digest() -> Digest:
    """Return the digest of the code that audits."""
    return source_digest(*AUDIT, alone=AUDITING)


def base_divergence_digest() -> Digest:
    """Return the digest of the code that holds a base against its checkpoint, its runtime's own aside."""
    return source_digest(*BASE_DIVERGENCE, alone=COMPARING)


def divergence_cause_digest() -> Digest:
    """Return the digest of the code that finds out why a base differs from its checkpoint."""
    return source_digest(*BASE_DIVERGENCE, *CAUSES, alone=FINDING_CAUSES)
