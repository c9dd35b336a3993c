"""Fixtures of the registry's tests."""

from pathlib import Path

import pytest

from quantgate.registry import Tracking
from tests.support.registered.registries import opened_tracking


@pytest.fixture
def tracking(tmp_path: Path) -> Tracking:
    """A database that is there, for a memory registry."""
    return opened_tracking(tmp_path / "store")
