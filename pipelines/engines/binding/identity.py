"""What decides answers beside a runtime's own code: the library that binds them."""

from importlib.metadata import version

from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.files.sources import source_digest

LIBRARY = "llguidance"


def answering_digest(worker: str) -> Digest:
    """Return the digest of a worker that chooses tokens, named in full, and of what binds its answers."""
    return digest_of([source_digest(worker), f"{LIBRARY} {version(LIBRARY)}"])
