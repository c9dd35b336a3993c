"""Where a model's weights are while it is computed with."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Residence:
    """How much of a model's weights may stay in memory.

    The others lie in a folder within `folder` and are read as they are used.
    """

    resident_bytes: int
    folder: Path
