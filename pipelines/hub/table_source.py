"""Tables that the parent process does not read itself, and who reads them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSource:
    """A table that the parent process does not read itself: a parquet file, or a split of a hub dataset."""

    path: Path | None = None
    hub: str | None = None
    config: str | None = None
    split: str = "test"


ReadTable = Callable[[TableSource], Path]
"""Returns JSON lines that hold a table's rows, made by a child process once for each content."""
