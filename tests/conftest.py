"""Fixtures for all tests."""

from pathlib import Path

import pytest

from pipelines.files.store import Store

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(root=tmp_path / "store")
