"""What of a store is shared: what took work to make, is the same wherever made, and is not too large."""

import re
from dataclasses import dataclass

_RESULTS = re.compile(
    r"(?:variants|runs|audits|observations)/[^/.][^/]*"
    r"|checkpoints/[^/.][^/]*/(?:imatrix|ruler|sensitivities)-[^/]+"
)
_BASES = re.compile(r"checkpoints/[^/.][^/]*/gguf-f16-[^/]+")
"""A base's weights as a GGUF file: as large as the base, and made in minutes from what every host has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedKinds:
    """Which folders are shared. Those above `largest_bytes` stay where they were made.

    What only one machine can tell (how fast it was), what lies elsewhere already (downloads), and what each
    store numbers itself (corpora) is not shared.
    """

    largest_bytes: int
    bases: bool = False

    def include(self, folder: str) -> bool:
        """Whether a folder of the store, by its path in it, is looked up and sent."""
        return bool(_RESULTS.fullmatch(folder) or (self.bases and _BASES.fullmatch(folder)))


def is_result(folder: str) -> bool:
    """Whether a name is that of a folder which may be shared at all: what others wrote may say anything."""
    return bool(_RESULTS.fullmatch(folder) or _BASES.fullmatch(folder))
