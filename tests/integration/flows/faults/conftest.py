"""A small build, and the table of all strikes, printed when the tests are over."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.builds.road import Road
from tests.support.faults.strikes import small_road
from tests.support.faults.table import STRIKES, table


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    """A small build whose Prefect server stays between commands."""
    made = small_road(tmp_path)
    assert made.run("up").returncode == 0
    yield made
    assert made.run("down").returncode == 0


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was struck, where anything was."""
    if STRIKES:
        terminalreporter.write_line("")
        terminalreporter.write_line(table(STRIKES))
