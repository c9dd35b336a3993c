"""What is kept of a download beside its files."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """What stands in a sealed download's manifest."""

    repository: str
    revision: str
    endpoint: str
