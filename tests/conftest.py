"""Fixtures for all tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantgate.pipelines.files.store import Store
from quantgate.registry.tracking import URI_VARIABLE


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(root=tmp_path / "store")


@pytest.fixture(autouse=True)
def no_address_left_behind() -> Iterator[None]:
    """MLflow writes its address into the environment; the next test is of another store."""
    before = os.environ.get(URI_VARIABLE)
    yield
    os.environ.pop(URI_VARIABLE, None)
    if before is not None:
        os.environ[URI_VARIABLE] = before
