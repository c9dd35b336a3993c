"""The code that verdicts depend on: a build is known by its digest."""

from quantgate.pipelines.audit.bench.identity import (
    audit_digest,
    base_divergence_digest,
    divergence_cause_digest,
)
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.files.sources import source_digest

JUDGING = (
    "quantgate.pipelines.audit.behaviour",
    "quantgate.pipelines.evaluation.runs",
    "quantgate.pipelines.gates.early",
    "quantgate.pipelines.gates.family",
    "quantgate.pipelines.gates.judge",
)
"""Their change can change a verdict without changing any transcript."""


def judging_digest() -> Digest:
    """Return the digest of the code that turns transcripts into verdicts."""
    return source_digest(*JUDGING)


def build_digest() -> Digest:
    """Return the digest of all of them: a finished build is finished for this code."""
    return digest_of(
        [judging_digest(), audit_digest(), base_divergence_digest(), divergence_cause_digest()]
    )
