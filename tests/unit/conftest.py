"""Unit tests run no tools: a real worker that slips through is an error at once."""

import subprocess
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def no_real_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make starting a backend's or runtime's worker module fail."""
    start = subprocess.Popen

    def refuse_workers(arguments: Any, *rest: Any, **options: Any) -> Any:
        words = [arguments] if isinstance(arguments, str) else [str(word) for word in arguments]
        if any(".workers." in word for word in words):
            raise AssertionError(f"a unit test started a real worker: {words}")
        return start(arguments, *rest, **options)

    monkeypatch.setattr(subprocess, "Popen", refuse_workers)
