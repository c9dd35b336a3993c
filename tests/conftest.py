"""Fixtures for all tests."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantgate.pipelines.files.store import Store
from quantgate.registry.tracking import URI_VARIABLE
from tests.support.project import PROJECT

PREFECT_VARIABLE = "PREFECT_API_URL"
LONGEST_FIRST = (
    "integration/flows/test_road.py",
    "integration/audit/test_planted_faults.py",
    "integration/engines/llmcompressor/test_catalogue.py",
    "integration/catalogue/",
    "integration/engines/archived/test_quantizers.py",
    "integration/engines/llamacpp/",
    "integration/flows/",
    "integration/audit/",
    "integration/registry/",
    "integration/",
)
"""Files and folders of tests as they start; what takes minutes is not left to the end, where the other core
would wait for it. All others come after them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; tests of a file stay together and in their order."""
    items.sort(key=lambda item: _place(item.path.relative_to(PROJECT / "tests").as_posix()))


def _place(file: str) -> int:
    places = (place for place, start in enumerate(LONGEST_FIRST) if file.startswith(start))
    return next(places, len(LONGEST_FIRST))


def pytest_configure() -> None:
    """Take signals as a terminal's programs do: under `nohup` or `&` they are ignored, by children too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(root=tmp_path / "store")


@pytest.fixture(autouse=True)
def no_address_left_behind() -> Iterator[None]:
    """MLflow and flows write addresses into the environment; the next test is of another store.

    That of a Prefect server is none of a test's either where fixtures of a whole file left it.
    """
    before = os.environ.get(URI_VARIABLE)
    os.environ.pop(PREFECT_VARIABLE, None)
    yield
    os.environ.pop(PREFECT_VARIABLE, None)
    os.environ.pop(URI_VARIABLE, None)
    if before is not None:
        os.environ[URI_VARIABLE] = before
