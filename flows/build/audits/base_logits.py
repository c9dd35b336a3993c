"""Where a base's logits are kept between the divergences of a build."""

from pathlib import Path

from quantgate.flows.build.site import BuildSite
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.engines.requests import Loadable


def logits_key(site: BuildSite, runtime_name: str, base: Loadable, tokens_digest: Digest) -> Digest:
    """Return the digest of all that a base's logits in a runtime depend on; a GGUF's folder has its key."""
    return digest_of(
        [
            tokens_digest,
            base.path.parent.name if base.format is Format.GGUF else "",
            site.tools.runtimes[runtime_name].divergence_digest(site.plan.checkpoint.numerics),
            site.settings.threads,
        ]
    )


def kept_logits(site: BuildSite, runtime_name: str, base: Loadable, tokens_digest: Digest) -> Path:
    """Return where the logits of a base are, or will be, once for all variants of this runtime."""
    return site.scratch / f"logits-{logits_key(site, runtime_name, base, tokens_digest)[:16]}"
