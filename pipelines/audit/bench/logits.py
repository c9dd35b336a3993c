"""Where a base's logits are kept between the divergences of a build."""

from pathlib import Path

from quantgate.pipelines.audit.bench.bench import AuditBench
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.engines.requests import Loadable


def logits_key(
    bench: AuditBench, runtime_name: str, base: Loadable, tokens_digest: Digest
) -> Digest:
    """Return the digest of all that a base's logits in a runtime depend on; a GGUF's folder has its key."""
    return digest_of(
        [
            tokens_digest,
            base.path.parent.name if base.format is Format.GGUF else "",
            bench.runtimes[runtime_name].divergence_digest(bench.checkpoint.numerics),
            bench.threads,
        ]
    )


def kept_logits(
    bench: AuditBench, runtime_name: str, base: Loadable, tokens_digest: Digest
) -> Path:
    """Return where the logits of a base are, or will be, once for all variants of this runtime."""
    return bench.scratch / f"logits-{logits_key(bench, runtime_name, base, tokens_digest)[:16]}"
