"""Rows of public evaluations, which stand beside the project and are no part of it."""

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.project import PROJECT


def rows_file(name: str) -> Path:
    """Return the file of one evaluation; the test is skipped where it is absent, see `real_rows`."""
    folder = os.environ.get("QUANTGATE_SHARED_DATA") or PROJECT.parent / "shared" / "data"
    path = Path(folder) / "evals" / f"{name}.jsonl"
    if not path.is_file():
        pytest.skip(f"no rows of {name}: QUANTGATE_SHARED_DATA/evals/{name}.jsonl is not there")
    return path


def real_rows(name: str) -> list[dict[str, Any]]:
    """Return the rows of one evaluation, e.g. `gsm8k_test`; the test is skipped where it is absent.

    `QUANTGATE_SHARED_DATA` names the folder that holds `evals/`; else it is `shared/data` beside the
    project.
    """
    return _rows(rows_file(name))


@lru_cache(maxsize=8)
def _rows(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]
