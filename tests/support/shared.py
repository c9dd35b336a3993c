"""Folders that all processes of a run of tests share: what one has sealed there, the others find."""

import os
from pathlib import Path

import pytest


def shared_folder(factory: pytest.TempPathFactory, name: str) -> Path:
    """Return a folder that is the same in every process of this run; pytest removes it with its own.

    Only sealed folders (`produce_once`) and stores may be made in it: tests use it at the same time.
    """
    own = factory.getbasetemp()
    whole = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder = whole / "shared" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
