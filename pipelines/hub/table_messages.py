"""What is asked of the worker that turns a table into JSON lines."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class HubDataset:
    """One split of a dataset on a hub, at a commit; `cache` is where its files are downloaded to."""

    repository: str
    revision: str
    config: str | None
    split: str
    endpoint: str
    cache: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRowsCall:
    """Write the rows of a parquet file or of a hub dataset (one of them) to `output` as JSON lines."""

    output: Path
    parquet: Path | None = None
    hub: HubDataset | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRows:
    """How many rows were written, and their columns."""

    rows: int
    columns: tuple[str, ...]
