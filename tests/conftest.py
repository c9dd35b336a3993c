"""Fixtures for all tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.files.store import Store

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(root=tmp_path / "store")


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Leave the environment as a test found it: MLflow writes its address there once it is told one."""
    before = dict(os.environ)
    yield
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)
